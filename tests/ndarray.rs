//! Arrays of the crate ndarray, lent by a store and stored.

use arraylog::ndarray::{Array1, Array3, ArrayD, IxDyn, arr0, array, s};
use arraylog::{ArrayBytes, ArraySpec, Attrs, BFloat16, Element, Error, Partition, Store};

fn part() -> Partition {
    let store = Store::memory().expect("memory");
    store.default_partition().expect("a partition")
}

fn write(part: &Partition, spec: ArraySpec<'_>) {
    let written = part.write("k", &[("t", spec)], &Attrs::new());
    written.expect("written");
}

/// Stores an array and compares what is lent, and what is copied, with it.
fn round_trip<T: Element + PartialEq + std::fmt::Debug>(part: &Partition, array: &ArrayD<T>) {
    write(part, ArraySpec::from_ndarray(array.view()));
    let elements = part.array("k", "t").expect("there").read().expect("read");
    let view = elements.view();
    let lent = view.to_ndarray::<T>().expect("lent");
    assert_eq!(lent, array.view());
    if !array.is_empty() {
        assert_eq!(lent.as_ptr().cast(), view.data().as_ptr(), "a copy");
    }
    assert_eq!(&elements.to_ndarray::<T>().expect("copied"), array);
    assert_eq!(view.missing_ndarray().expect("no mask"), None);
}

#[test]
fn every_element_type_comes_back_in_its_shape_without_a_copy() {
    let part = part();
    let numbers = Array3::from_shape_fn((2, 3, 4), |(a, b, c)| a * 12 + b * 4 + c).into_dyn();
    round_trip(&part, &numbers.mapv(|n| n % 2 == 0));
    round_trip(&part, &numbers.mapv(|n| n as i8));
    round_trip(&part, &numbers.mapv(|n| n as u16));
    round_trip(&part, &numbers.mapv(|n| n as i64));
    round_trip(&part, &numbers.mapv(|n| n as f32 / 7.0));
    round_trip(&part, &numbers.mapv(|n| [n as f64, -1.0]));
    round_trip(&part, &numbers.mapv(|n| BFloat16(n as u16)));
    round_trip(&part, &arr0(1.5f64).into_dyn());
    round_trip(&part, &ArrayD::<f32>::zeros(IxDyn(&[3, 0, 2])));
    round_trip(&part, &ArrayD::from_elem(IxDyn(&[1; 20]), 7u8));
}

#[test]
fn what_stands_in_c_order_is_borrowed_and_all_else_is_copied_in_it() {
    let grid = Array3::from_shape_fn((4, 3, 2), |(a, b, c)| (a * 6 + b * 2 + c) as i32);
    let borrowed = |spec: &ArraySpec<'_>| match &spec.data {
        ArrayBytes::Fixed(bytes) => matches!(bytes, std::borrow::Cow::Borrowed(_)),
        _ => false,
    };
    assert!(borrowed(&ArraySpec::from_ndarray(grid.view())));
    assert!(borrowed(&ArraySpec::from_ndarray(grid.slice(s![
        1..3,
        ..,
        ..
    ]))));
    let part = part();
    for view in [
        grid.view().reversed_axes().into_dyn(),
        grid.slice(s![..;-1, .., ..]).into_dyn(),
        grid.slice(s![.., 1.., ..]).into_dyn(),
        grid.slice(s![.., .., ..1]).into_dyn(),
        grid.slice(s![2, .., 1]).into_dyn(),
        grid.broadcast((2, 4, 3, 2)).expect("fits").into_dyn(),
    ] {
        let spec = ArraySpec::from_ndarray(view.clone());
        assert!(!borrowed(&spec), "{view:?}");
        write(&part, spec);
        let elements = part.array("k", "t").expect("there").read().expect("read");
        assert_eq!(elements.view().to_ndarray::<i32>().expect("lent"), view);
    }
}

#[test]
fn a_mask_comes_beside_the_elements() {
    let part = part();
    let grid = array![[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]];
    let missing = [0, 1, 0, 0, 0, 1];
    write(
        &part,
        ArraySpec::from_ndarray(grid.view()).missing(&missing),
    );
    let elements = part.array("k", "t").expect("there").read().expect("read");
    let found = elements.view().missing_ndarray().expect("a mask");
    let expected = array![[false, true, false], [false, false, true]];
    assert_eq!(found, Some(expected.into_dyn()));
    assert_eq!(
        elements.view().to_ndarray::<f32>().expect("lent").shape(),
        [2, 3]
    );
}

#[test]
fn chunked_and_encoded_arrays_are_decoded_into_one() {
    let part = part();
    let line = Array1::from_iter((0..10_000).map(|n| f64::from(n % 100)));
    let spec = ArraySpec::from_ndarray(line.view());
    write(&part, spec.chunks(&[999]).codec("shuffle+lz4"));
    let elements = part.array("k", "t").expect("there").read().expect("read");
    assert_eq!(elements.to_ndarray::<f64>().expect("read"), line.into_dyn());
}

#[test]
fn another_element_type_is_an_error_that_names_both() {
    let part = part();
    write(&part, ArraySpec::from_ndarray(array![1i32, 2].view()));
    let elements = part.array("k", "t").expect("there").read().expect("read");
    for error in [
        elements.view().to_ndarray::<u32>().map(drop),
        elements.to_ndarray::<u32>().map(drop),
    ] {
        let error = error.expect_err("another dtype");
        assert!(matches!(&error, Error::DType { array, .. } if array == "t"));
        assert!(error.to_string().contains("int32, not uint32"), "{error}");
    }
    write(&part, ArraySpec::strings(&["a"]));
    let elements = part.array("k", "t").expect("there").read().expect("read");
    let refused = elements.view().to_ndarray::<u8>();
    assert_eq!(refused.expect_err("text").kind(), "dtype");
}
