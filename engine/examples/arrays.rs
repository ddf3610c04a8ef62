//! An entry of named arrays: dims, a mask, attributes; read back without a copy.

use arraylog::{ArraySpec, AttrValue, Attrs, DType, Store, TimeUnit};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = Store::memory()?;
    let part = store.partition("argo", "2024-01")?;

    let depth = [5.0f32, 10.0, 20.0, 50.0];
    let depth = ArraySpec::from_slice(&depth).dims(&["depth"]);
    let temperature = [12.5f32, 12.1, f32::NAN, 7.9];
    let temperature = ArraySpec::from_slice(&temperature)
        .dims(&["depth"])
        .missing(&[0, 0, 1, 0]) // not 0 = missing, as in NumPy
        .attr("units", AttrValue::from("degC"));
    let seconds = 1_704_067_200i64.to_le_bytes();
    let arrays = [
        ("depth", depth),
        ("temperature", temperature),
        (
            "time",
            ArraySpec::new(DType::DateTime64(TimeUnit::Second), &[], &seconds),
        ),
        ("platform", ArraySpec::string("6902746")),
    ];
    let mut attrs = Attrs::new();
    attrs.set("lat", AttrValue::Float64(1.5));
    part.write("float-42", &arrays, &attrs)?;

    let entry = part.entry("float-42")?.ok_or("not there")?;
    assert_eq!(entry.names().next(), Some("depth"));
    assert_eq!(entry.attrs()?.get("lat"), Some(&AttrValue::Float64(1.5)));
    let array = entry.array("temperature")?;
    assert_eq!(array.shape(), [4]);
    let read = array.read()?;
    let values = read.view().as_slice::<f32>()?; // lent by the store, not copied
    assert_eq!(values.last(), Some(&7.9));
    assert_eq!(read.view().validity(), Some(&[0b1011][..])); // set = present
    Ok(())
}
