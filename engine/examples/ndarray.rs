//! Arrays of the crate ndarray in a store: `cargo run --example ndarray --features ndarray`.

use arraylog::ndarray::{Array2, Axis, s};
use arraylog::{ArraySpec, Attrs, Selection, Span, Store};

fn main() -> arraylog::Result<()> {
    let store = Store::memory()?;
    let part = store.partition("model", "2024-01")?;

    // Time by depth; what is stored is every second time, one copy of these.
    let field = Array2::from_shape_fn((8, 5), |(time, depth)| (10 * time + depth) as f32);
    let spec = ArraySpec::from_ndarray(field.slice(s![..;2, ..]));
    let spec = spec.dims(&["time", "depth"]).chunks(&[1, 5]);
    part.write("run-1", &[("t", spec)], &Attrs::new())?;

    // A part of it, by chunks, as an array of ndarray.
    let array = part.array("run-1", "t")?;
    let selection = Selection::new([Span::range(1..3), Span::all(5)]);
    let elements = array.slice(&selection)?;
    let lent = elements.view().to_ndarray::<f32>()?;
    let mean = lent.mean_axis(Axis(0)).expect("two times");
    assert_eq!(mean.as_slice(), Some(&[30.0, 31.0, 32.0, 33.0, 34.0][..]));

    // The wrong type is an error that names both.
    let error = elements.to_ndarray::<f64>().expect_err("another dtype");
    assert!(error.to_string().contains("float32, not float64"));
    Ok(())
}
