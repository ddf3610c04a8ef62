use proptest::prelude::*;

use super::super::layout::flag;
use super::super::plan::Data;
use super::*;
use crate::format::value_align;

#[test]
fn every_dtype_and_shape_comes_back_masked_or_not() {
    let shapes: [&[u64]; 9] = [
        &[],
        &[1],
        &[5],
        &[200],
        &[2, 3],
        &[0],
        &[3, 0, 2],
        &[1, 2, 1, 2, 1, 1, 2, 1],
        &[1; 32],
    ];
    for dtype in all_dtypes() {
        for shape in shapes {
            for spec in [sample(dtype, shape), masked(sample(dtype, shape))] {
                let arrays = [("t", spec)];
                let (schema, frame) = stored(&arrays, &Attrs::new());
                assert_same(&schema, &frame, 0, "t", &arrays[0].1);
            }
        }
    }
}

#[test]
fn all_of_them_fit_one_entry_in_every_width_of_dims_slots_and_offsets() {
    let names: Vec<_> = (0..all_dtypes().len() * 4)
        .map(|i| format!("a{i}"))
        .collect();
    let specs = all_dtypes().into_iter().flat_map(|dtype| {
        let shapes: [&[u64]; 2] = [&[], &[3, 4]];
        shapes
            .into_iter()
            .flat_map(move |shape| [sample(dtype, shape), masked(sample(dtype, shape))])
    });
    let arrays: Vec<_> = names.iter().map(String::as_str).zip(specs).collect();
    let attrs: Attrs = [
        ("title", "longer than a slot".into()),
        ("n", AttrValue::List(vec![1.5.into()])),
    ]
    .into_iter()
    .collect();
    for (flags, wide_offsets) in [
        (0, false),
        (flag::WIDE_DIMS, true),
        (flag::WIDE_SLOTS, false),
        (flag::WIDE_SLOTS | flag::WIDE_DIMS, true),
    ] {
        let mut plan = plan(&arrays, &attrs).unwrap();
        for field in &mut plan.fields {
            if let Data::Texts { wide, .. } = &mut field.data {
                *wide = wide_offsets;
            }
        }
        let schema = Schema::parse(plan.schema_bytes()).unwrap();
        let frame = join(&plan.pieces_with(7, flags));
        for (field, (name, spec)) in arrays.iter().enumerate() {
            assert_same(&schema, &frame, field, name, spec);
        }
        assert_eq!(entry_attrs(&schema, &frame).unwrap(), attrs);
    }
}

#[test]
fn up_to_four_axes_are_found_without_the_heap() {
    for (rank, heap) in [(1, false), (4, false), (5, true)] {
        let (schema, frame) = stored(
            &[("t", sample(DType::Float32, &vec![2; rank]))],
            &Attrs::new(),
        );
        let place = locate(&schema, &frame, 0).unwrap().unwrap();
        assert_eq!(place.shape.spilled(), heap, "rank {rank}");
    }
}

#[test]
fn sizes_beyond_32_bits_come_back() {
    let huge = u64::from(u32::MAX) + 1;
    let arrays = [
        ("none", ArraySpec::new(DType::Float64, &[0, huge], &[])),
        ("void", ArraySpec::new(DType::FixedBytes(0), &[huge], &[])),
        ("some", sample(DType::Int16, &[9])),
    ];
    let (schema, frame) = stored(&arrays, &Attrs::new());
    for (field, (name, spec)) in arrays.iter().enumerate() {
        assert_same(&schema, &frame, field, name, spec);
    }
}

/// Nothing reads these bytes, so they cost address space only.
#[cfg(target_pointer_width = "64")]
#[test]
fn slots_are_wide_from_texts_of_2_gib_and_places_of_32_gib_on() {
    const GIB: usize = 1 << 30;
    let zeros = memmap2::MmapOptions::new()
        .len(2 * GIB)
        .no_reserve_swap()
        .map_anon()
        .unwrap();
    let text = |len: usize| ArraySpec {
        data: ArrayBytes::Variable {
            offsets: vec![0, len as u64],
            data: Cow::Borrowed(&zeros[..len]),
        },
        ..ArraySpec::new(DType::Bytes, &[], &[])
    };
    let array = || ArraySpec::new(DType::UInt8, &[zeros.len() as u64], &zeros);
    // The last of `count` arrays starts a page behind (count - 1) * 2 GiB.
    let arrays = |count: usize| {
        let names: Vec<_> = (0..count).map(|i| i.to_string()).collect();
        let arrays: Vec<_> = names.iter().map(|name| (name.as_str(), array())).collect();
        let attrs = Attrs::new();
        let plan = plan(&arrays, &attrs).unwrap();
        let pieces = plan.pieces(1);
        assert_eq!(pieces.len, (4096 + count * 2 * GIB) as u64);
        pieces.parts[0][4] & flag::WIDE_SLOTS as u8
    };
    assert_eq!(arrays(16), 0);
    assert_eq!(arrays(17), flag::WIDE_SLOTS as u8);
    for (len, flags) in [(2 * GIB - 1, 0), (2 * GIB, flag::WIDE_SLOTS as u8)] {
        let (arrays, attrs) = ([("t", text(len))], Attrs::new());
        let plan = plan(&arrays, &attrs).unwrap();
        assert_eq!(plan.pieces(1).parts[0][4], flags, "{len} bytes");
    }
}

#[test]
fn numbers_come_back_as_slices_without_a_copy() {
    let floats = [1.5_f32, f32::NAN, -0.0, f32::INFINITY];
    let arrays = [
        ("f", ArraySpec::from_slice(&floats)),
        ("one", ArraySpec::scalar(-7_i64)),
        ("flags", ArraySpec::from_slice(&[true, false])),
        ("half", ArraySpec::from_slice(&[Half(0x3c00)])),
        ("z", ArraySpec::from_slice(&[[1.0_f64, -2.0]])),
        ("empty", ArraySpec::from_slice::<f64>(&[])),
        ("brain", ArraySpec::from_slice(&[BFloat16(0x3fc0)])),
        ("e4m3", ArraySpec::from_slice(&[Float8E4M3(0x38)])),
        ("e5m2", ArraySpec::from_slice(&[Float8E5M2(0x3c)])),
    ];
    let (schema, frame) = stored(&arrays, &Attrs::new());
    let places: Vec<_> = (0..9)
        .map(|i| locate(&schema, &frame, i).unwrap().unwrap())
        .collect();
    let view = |i: usize| view(&schema, &frame, &places[i], i);
    let found = view(0).as_slice::<f32>().unwrap();
    assert_eq!(found.as_bytes(), floats.as_bytes());
    assert_eq!(
        found.as_bytes().as_ptr(),
        frame[places[0].plain().data.clone()].as_ptr()
    );
    assert_eq!(view(1).as_slice::<i64>().unwrap(), [-7]);
    assert_eq!(view(2).as_slice::<bool>().unwrap(), [true, false]);
    assert_eq!(view(3).as_slice::<Half>().unwrap(), [Half(0x3c00)]);
    assert_eq!(view(4).as_slice::<[f64; 2]>().unwrap(), [[1.0, -2.0]]);
    assert!(view(5).as_slice::<f64>().unwrap().is_empty());
    assert_eq!(view(6).as_slice::<BFloat16>().unwrap(), [BFloat16(0x3fc0)]);
    assert_eq!(
        view(7).as_slice::<Float8E4M3>().unwrap(),
        [Float8E4M3(0x38)]
    );
    assert_eq!(
        view(8).as_slice::<Float8E5M2>().unwrap(),
        [Float8E5M2(0x3c)]
    );
    let message = view(0).as_slice::<f64>().unwrap_err().to_string();
    assert_eq!(message, "array \"f\": its dtype is float32, not float64");
}

#[test]
fn bytes_that_are_no_numbers_are_refused_as_a_slice() {
    let (schema, frame) = stored(&[("t", sample(DType::Int32, &[4]))], &Attrs::new());
    let place = locate(&schema, &frame, 0).unwrap().unwrap();
    let shifted = ArrayView::new(&schema.fields[0], &place.shape, &frame[1..17], None, None);
    let message = shifted.as_slice::<i32>().unwrap_err().to_string();
    assert_eq!(
        message,
        "array \"t\": its bytes start at an address that is not a multiple of 4"
    );
    let (schema, _) = stored(&[("b", sample(DType::Bool, &[1]))], &Attrs::new());
    let other = ArrayView::new(&schema.fields[0], &[1], &[2], None, None);
    let message = other.as_slice::<bool>().unwrap_err().to_string();
    assert_eq!(
        message,
        "array \"b\": a bool is a byte of 0 or 1, another one is stored"
    );
}

#[test]
fn text_comes_back_item_by_item() {
    let arrays = [
        ("names", ArraySpec::strings(&["", "\u{e9}t\u{e9}", "x"])),
        ("short", ArraySpec::string("7 bytes")),
        ("long", ArraySpec::string("8 bytes.")),
    ];
    let (schema, frame) = stored(&arrays, &Attrs::new());
    for (field, (name, spec)) in arrays.iter().enumerate() {
        assert_same(&schema, &frame, field, name, spec);
    }
    let place = locate(&schema, &frame, 0).unwrap().unwrap();
    let message = view(&schema, &frame, &place, 0)
        .item(3)
        .unwrap_err()
        .to_string();
    assert_eq!(
        message,
        "array \"names\": no element 3 in C order among 3 in 6 bytes"
    );
}

#[test]
fn validity_bits_are_taken_as_given_but_for_the_rest_of_the_last_byte() {
    let spec = ArraySpec {
        mask: Some(Mask::Validity(Cow::Borrowed(&[0xff, 0xfd]))),
        ..sample(DType::Int16, &[10])
    };
    let (schema, frame) = stored(&[("t", spec)], &Attrs::new());
    let place = locate(&schema, &frame, 0).unwrap().unwrap();
    assert_eq!(frame[place.plain().validity.clone().unwrap()], [0xff, 0x01]);
}

#[test]
fn fill_values_dims_and_attributes_come_back_in_order() {
    let mut t = sample(DType::Float32, &[2, 3])
        .dims(&["depth", "x"])
        .attr("units", "degC".into())
        .attr("valid", AttrValue::List(vec![1.into(), AttrValue::None]));
    t.fill_value = Some(AttrValue::Float32(-999.0));
    let mut s = sample(DType::FixedBytes(4), &[3]);
    s.dims = vec![Some("x".to_owned())];
    s.fill_value = Some(AttrValue::Bytes(b"none".to_vec()));
    let bare = sample(DType::Int8, &[3]);
    let arrays = [("t", t), ("s", s), ("", bare)];
    let (schema, frame) = stored(&arrays, &Attrs::new());
    for (field, (name, spec)) in arrays.iter().enumerate() {
        assert_same(&schema, &frame, field, name, spec);
        assert_eq!(schema.fields[field].attrs, spec.attrs);
        assert_eq!(array_attrs(&schema, &frame, field).unwrap(), spec.attrs);
    }
}

#[test]
fn large_arrays_stay_borrowed_and_bodies_are_aligned_by_their_length() {
    let small = noise(255 * 2);
    let page = noise(4096);
    let big = noise(1 << 20);
    let arrays = [
        ("big", ArraySpec::new(DType::UInt8, &[1 << 20], &big)),
        ("small", ArraySpec::new(DType::UInt8, &[255], &small[..255])),
        ("line", ArraySpec::new(DType::UInt8, &[256], &small[..256])),
        ("page", ArraySpec::new(DType::UInt8, &[4096], &page)),
    ];
    let attrs = Attrs::new();
    let plan = plan(&arrays, &attrs).unwrap();
    let pieces = plan.pieces(1);
    let borrowed: Vec<_> = pieces
        .parts
        .iter()
        .filter(|part| matches!(part, Cow::Borrowed(_)))
        .map(|part| part.as_ptr())
        .collect();
    assert_eq!(borrowed, [page.as_ptr(), big.as_ptr()]);
    assert_eq!(pieces.parts.len(), 4, "what is small is merged");
    let schema = Schema::parse(plan.schema_bytes()).unwrap();
    let frame = join(&pieces);
    for (field, align) in [(0, 4096), (1, 8), (2, 64), (3, 64)] {
        let place = locate(&schema, &frame, field).unwrap().unwrap();
        assert_eq!(place.plain().data.start % align, 0, "field {field}");
        assert_eq!(
            1 << value_align(place.plain().data.len() as u64, None),
            align,
            "field {field}"
        );
        assert_same(&schema, &frame, field, arrays[field].0, &arrays[field].1);
    }
}

#[test]
fn alignment_changes_at_256_bytes_and_at_one_mebibyte() {
    for (len, align) in [
        (0, 8),
        (255, 8),
        (256, 64),
        (0xf_ffff, 64),
        (0x10_0000, 4096),
        (u64::MAX, 4096),
    ] {
        assert_eq!(1 << value_align(len, None), align, "{len} bytes");
    }
}

#[test]
fn entries_that_differ_in_sizes_only_share_a_schema() {
    let bytes = |shape: &[u64], name: &str| {
        let spec = sample(DType::Float32, shape).dims(&["y", name]);
        plan(&[("t", spec)], &Attrs::new())
            .unwrap()
            .schema_bytes()
            .to_vec()
    };
    assert_eq!(bytes(&[2, 3], "x"), bytes(&[1, 400], "x"));
    assert_ne!(bytes(&[2, 3], "x"), bytes(&[2, 3], "z"));
    assert_ne!(bytes(&[2, 2], "x"), bytes(&[2, 2], "y"));
}

#[test]
fn array_attributes_move_between_schema_and_frame() {
    let arrays = |units: &str| {
        [
            (
                "t",
                sample(DType::Int32, &[3])
                    .attr("units", units.into())
                    .attr("n", 1_u8.into()),
            ),
            ("u", sample(DType::Int32, &[3])),
            (
                "v",
                sample(DType::Int32, &[3]).attr("list", AttrValue::List(Vec::new())),
            ),
        ]
    };
    let attrs: Attrs = [
        ("none", AttrValue::None),
        ("k", 5.into()),
        ("m", AttrValue::Map(Attrs::new())),
    ]
    .into_iter()
    .collect();
    let (kelvin, celsius) = (arrays("K"), arrays("degC"));
    let (mut a, mut b) = (
        plan(&kelvin, &attrs).unwrap(),
        plan(&celsius, &attrs).unwrap(),
    );
    assert!(a.has_array_attrs());
    assert_ne!(a.schema_bytes(), b.schema_bytes());
    assert_eq!(a.skeleton_hash(), b.skeleton_hash());
    a.put_array_attrs(ArrayAttrs::InFrame);
    b.put_array_attrs(ArrayAttrs::InFrame);
    assert_eq!(a.schema_bytes(), b.schema_bytes());
    let schema = Schema::parse(a.schema_bytes()).unwrap();
    for (plan, arrays) in [(&a, &kelvin), (&b, &celsius)] {
        let frame = join(&plan.pieces(1));
        assert!(attrs_in_frame(&frame).unwrap());
        assert_eq!(entry_attrs(&schema, &frame).unwrap(), attrs);
        for (field, (name, spec)) in arrays.iter().enumerate() {
            assert_same(&schema, &frame, field, name, spec);
            assert_eq!(array_attrs(&schema, &frame, field).unwrap(), spec.attrs);
        }
    }
}

#[test]
fn without_array_attributes_their_place_makes_no_difference() {
    let arrays = [("t", sample(DType::Int32, &[3]))];
    let attrs = Attrs::new();
    let mut plan = plan(&arrays, &attrs).unwrap();
    let before = (plan.schema_bytes().to_vec(), join(&plan.pieces(1)));
    plan.put_array_attrs(ArrayAttrs::InFrame);
    assert_eq!(
        (plan.schema_bytes().to_vec(), join(&plan.pieces(1))),
        before
    );
    assert!(!attrs_in_frame(&before.1).unwrap());
}

#[test]
fn arrays_are_found_by_name_among_few_and_many() {
    for count in [0, 1, 8, 9, 150, 3000] {
        let names: Vec<_> = (0..count).map(|i| format!("field {i}")).collect();
        let arrays: Vec<_> = names
            .iter()
            .map(|name| (name.as_str(), ArraySpec::scalar(1_u8)))
            .collect();
        let (schema, _) = stored(&arrays, &Attrs::new());
        for (at, name) in names.iter().enumerate() {
            assert_eq!(schema.position(name), Some(at), "{name} of {count}");
        }
        for name in ["", "field", "field 3001", "Field 0"] {
            assert_eq!(schema.position(name), None, "{name} of {count}");
        }
    }
}

#[test]
fn an_entry_without_arrays_and_attributes_is_a_header() {
    let (schema, frame) = stored(&[], &Attrs::new());
    assert_eq!(frame.len(), 8);
    assert_eq!(schema_id(&frame), Ok(7));
    assert_eq!(locate(&schema, &frame, 0), Ok(None));
    assert_eq!(entry_attrs(&schema, &frame), Ok(Attrs::new()));
}

fn any_spec() -> impl Strategy<Value = ArraySpec<'static>> {
    let shape = prop::collection::vec(0_u64..5, 0..5);
    (prop::sample::select(all_dtypes()), shape, any::<bool>()).prop_map(|(dtype, shape, mask)| {
        let spec = sample(dtype, &shape);
        if mask { masked(spec) } else { spec }
    })
}

proptest! {
    #[test]
    fn any_entry_comes_back(specs in prop::collection::vec(any_spec(), 0..12)) {
        let names: Vec<_> = (0..specs.len()).map(|i| format!("n{i}")).collect();
        let arrays: Vec<_> = names.iter().map(String::as_str).zip(specs).collect();
        let (schema, frame) = stored(&arrays, &Attrs::new());
        for (field, (name, spec)) in arrays.iter().enumerate() {
            assert_same(&schema, &frame, field, name, spec);
        }
    }
}
