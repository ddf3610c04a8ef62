use super::*;

/// An entry as profiles of floats have it: mostly scalars and short texts,
/// some longer texts, and a few arrays over shared dims.
fn profile() -> Vec<(String, ArraySpec<'static>)> {
    let mut arrays = Vec::new();
    let mut add = |spec: ArraySpec<'static>| arrays.push((format!("field_{}", arrays.len()), spec));
    for _ in 0..30 {
        add(sample(DType::Float64, &[]));
        add(sample(DType::Float32, &[]));
    }
    for _ in 0..20 {
        add(sample(DType::Int32, &[]));
        add(sample(DType::Int8, &[]));
    }
    for i in 0..20 {
        add(ArraySpec::string(["A", "PTS", "R", "2.2", "WGS 84"][i % 5]));
    }
    for i in 0..10 {
        add(ArraySpec::string(
            ["1901820", "METEOR 98", "profiling float"][i % 3],
        ));
    }
    for i in 0..10 {
        add(sample(DType::Int8, &[4 + i % 5]).dims(&[format!("n{}", i % 5)]));
    }
    for _ in 0..10 {
        add(sample(DType::Float32, &[37]).dims(&["level"]));
    }
    arrays
}

fn raw(spec: &ArraySpec<'_>) -> usize {
    match &spec.data {
        ArrayBytes::Fixed(data) | ArrayBytes::Variable { data, .. } => data.len(),
        ArrayBytes::Stored(_) => panic!("not here"),
    }
}

#[test]
fn an_entry_of_150_fields_takes_at_most_1_30_of_its_data() {
    let owned = profile();
    let arrays: Vec<_> = owned
        .iter()
        .map(|(name, spec)| (name.as_str(), spec.clone()))
        .collect();
    assert_eq!(arrays.len(), 150);
    let raw: usize = arrays.iter().map(|(_, spec)| raw(spec)).sum();
    let (_, frame) = stored(&arrays, &Attrs::new());
    let ratio = frame.len() as f64 / raw as f64;
    assert!(
        ratio <= 1.30,
        "{} bytes for {raw} bytes of data: {ratio:.3}",
        frame.len()
    );
}

#[test]
fn a_second_entry_of_a_schema_pays_for_no_name() {
    let long = "n".repeat(255);
    let (_, frame) = stored(&[(&long, ArraySpec::scalar(1.5_f64))], &Attrs::new());
    assert_eq!(frame.len(), 8 + 8 + 8, "header, presence, the number");
}
