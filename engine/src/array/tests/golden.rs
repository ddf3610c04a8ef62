//! Bytes of the format. If one of these fails, the format changed: raise its
//! version instead of changing the expectation.
use super::super::layout::flag;
use super::*;

#[rustfmt::skip]
const SCHEMA: &[u8] = &[
    1, 0,                                   // layout
    4, 0,                                   // arrays
    2, 0,                                   // entry attributes
    1, 0,                                   // arrays with attributes
    2, 0, 0, 0,                             // dim slots
    1, b'x',                                // slot 0
    0,                                      // slot 1: an unnamed axis
    1, b't',  11,             2, 2,  0, 0, 0, 0,  1, 0, 0, 0, // float32, 2-d, filled: slots 0, 1
              11, 0, 0, 0x80, 0xbf,         //   fill value: float32 -1
    1, b'n',  15, 6,          0, 1,         // datetime64[s], 0-d, masked
    1, b's',  19,             1, 0,  0, 0, 0, 0,              // string, 1-d: slot 0
    1, b'u',  19,             0, 0,         // string, 0-d
    3, 0, b'l', b'a', b't',   12,           // attribute lat: float64
    1, 0, b'm',               0xff,         // attribute m: in the extra part
    0, 0,                                   // attributes of array 0
        1, 0, 0, 0,                         //   one pair
        1, 0, b'k', 1, 1,                   //   k: bool true
];

#[rustfmt::skip]
const FRAME: &[u8] = &[
    7, 0, 0, 0,  32, 0,  3, 0,              //   0 schema id, extra part, aligned to 8
    2, 0, 0, 0,  1, 0, 0, 0,                //   8 dim sizes
    0b01_01_10_10, 0b01_01,                 //  16 u, s, n, t (n, t masked); m, lat
    0, 0, 0, 0, 0, 0,
    11, 0, 0, 0, 0, 0, 0, 0,                //  24 t: body at 88
    13, 0, 0, 0, 0, 0, 0, 0,                //  32 s: body at 104
    b'h', b'i', 0, 0, 0, 0, 0, 0x82,        //  40 u
    5, 0, 0, 0, 0, 0, 0, 0,                 //  48 n
    0, 0, 0, 0, 0, 0, 0xf8, 0x3f,           //  56 lat
    1,                                      //  64 validity of n
    0, 0, 0, 0, 0, 0, 0,
    6, 0, 0, 0,                             //  72 extra part: 6 bytes
        0x41, 1, 0, 0, 0, 0,                //     m: a list of one, None
    0, 0, 0, 0, 0, 0,
    0, 0, 0x80, 0x3f, 0, 0, 0, 0x40,        //  88 t
    0b01,                                   //  96 validity of t
    0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0,     // 104 offsets of s
    0, 0, 0, 0,
    b'a', b'b', b'c', b'd',                 // 120 s
];

/// What `SCHEMA` and `FRAME` hold.
fn entry() -> (Vec<(&'static str, ArraySpec<'static>)>, Attrs) {
    let mut t = ArraySpec::new(DType::Float32, &[2, 1], &[0, 0, 0x80, 0x3f, 0, 0, 0, 0x40])
        .missing(&[0, 1])
        .attr("k", true.into());
    t.dims = vec![Some("x".to_owned()), None];
    t.fill_value = Some(AttrValue::Float32(-1.0));
    let n = ArraySpec::new(
        DType::DateTime64(TimeUnit::Second),
        &[],
        &[5, 0, 0, 0, 0, 0, 0, 0],
    )
    .missing(&[0]);
    let s = ArraySpec::strings(&["a", "bcd"]).dims(&["x"]);
    let u = ArraySpec::string("hi");
    let attrs = [
        ("lat", AttrValue::Float64(1.5)),
        ("m", AttrValue::List(vec![AttrValue::None])),
    ];
    (
        vec![("t", t), ("n", n), ("s", s), ("u", u)],
        attrs.into_iter().collect(),
    )
}

#[test]
fn an_entry_is_written_as_the_golden_bytes() {
    let (arrays, attrs) = entry();
    let plan = plan(&arrays, &attrs).unwrap();
    assert_eq!(plan.schema_bytes(), SCHEMA);
    assert_eq!(join(&plan.pieces(7)), FRAME);
}

#[test]
fn the_golden_bytes_read_as_the_entry() {
    let (arrays, attrs) = entry();
    let schema = Schema::parse(SCHEMA).unwrap();
    assert_eq!(schema.fields.len(), arrays.len());
    for (field, (name, spec)) in arrays.iter().enumerate() {
        assert_same(&schema, FRAME, field, name, spec);
        assert_eq!(array_attrs(&schema, FRAME, field).unwrap(), spec.attrs);
    }
    assert_eq!(entry_attrs(&schema, FRAME).unwrap(), attrs);
    assert_eq!(schema_id(FRAME), Ok(7));
}

/// Arrays in their slots, at the edge of what fits, with all flags set.
#[rustfmt::skip]
const WIDE: &[u8] = &[
    7, 0, 0, 0,  39, 0,  3, 0,              //   0 schema id, flags, aligned to 8
    3, 0, 0, 0, 0, 0, 0, 0,                 //   8 dim sizes
    8, 0, 0, 0, 0, 0, 0, 0,
    9, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0,
    0b01_01_01_10, 0b01_01_01,              //  40 d, c, b, a (masked); g, f, e
    0, 0, 0, 0, 0, 0,
    1, 0, 2, 0, 3, 0,  0b101,  0,           //  48 a and its validity
    0, 0, 0, 0, 0, 0, 0, 0,
    1, 2, 3, 4, 5, 6, 7, 8,                 //  64 b
    0, 0, 0, 0, 0, 0, 0, 0,
    21, 0, 0, 0, 0, 0, 0, 0,                //  80 c: body at 168
    0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0,                 //  96 d
    0, 0, 0, 0, 0, 0, 0, 0,
    b'a', b'b', b'c', 0, 0, 0, 0, 0,        // 112 e
    0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0xf8, 0x3f,           // 128 f
    0xff, 0, 0, 0, 0, 0, 0, 0,              // 136 g
    14, 0, 0, 0,                            // 144 extra part: 14 bytes
    1, 0, 0, 0,                             //     one array with attributes
        0, 0,                               //     a
            1, 0, 0, 0, 1, 0, b'k', 0,      //     k: None
    0, 0, 0, 0, 0, 0,
    1, 2, 3, 4, 5, 6, 7, 8, 9,              // 168 c
];

#[test]
fn arrays_in_slots_are_written_as_and_read_from_the_golden_bytes() {
    let bytes = [1_u8, 2, 3, 4, 5, 6, 7, 8, 9];
    let arrays = [
        (
            "a",
            ArraySpec::from_slice(&[1_i16, 2, 3])
                .missing(&[0, 1, 0])
                .attr("k", AttrValue::None),
        ),
        ("b", ArraySpec::from_slice(&bytes[..8])),
        ("c", ArraySpec::from_slice(&bytes)),
        ("d", sample(DType::Bytes, &[0])),
        ("e", ArraySpec::new(DType::FixedBytes(3), &[], b"abc")),
        ("f", ArraySpec::scalar(1.5_f64)),
        ("g", ArraySpec::scalar(-1_i8)),
    ];
    let attrs = Attrs::new();
    let mut plan = plan(&arrays, &attrs).unwrap();
    plan.put_array_attrs(ArrayAttrs::InFrame);
    let flags = flag::WIDE_SLOTS | flag::WIDE_DIMS;
    assert_eq!(join(&plan.pieces_with(7, flags)), WIDE);
    let schema = Schema::parse(plan.schema_bytes()).unwrap();
    for (field, (name, spec)) in arrays.iter().enumerate() {
        assert_same(&schema, WIDE, field, name, spec);
        assert_eq!(array_attrs(&schema, WIDE, field).unwrap(), spec.attrs);
    }
}

/// One value of every tag, byte by byte.
#[test]
fn attribute_values_are_written_as_the_golden_bytes() {
    let array = |dtype, len, data: &[u8], offsets: &[u64]| {
        AttrValue::Array(AttrArray {
            dtype,
            len,
            data: data.to_vec(),
            offsets: offsets.to_vec(),
        })
    };
    let cases: Vec<(AttrValue, &[u8])> = vec![
        (AttrValue::None, &[0]),
        (true.into(), &[1, 1]),
        ((-2_i8).into(), &[2, 0xfe]),
        ((-2_i16).into(), &[3, 0xfe, 0xff]),
        (5_i32.into(), &[4, 5, 0, 0, 0]),
        (5_i64.into(), &[5, 5, 0, 0, 0, 0, 0, 0, 0]),
        (5_u8.into(), &[6, 5]),
        (5_u16.into(), &[7, 5, 0]),
        (5_u32.into(), &[8, 5, 0, 0, 0]),
        (5_u64.into(), &[9, 5, 0, 0, 0, 0, 0, 0, 0]),
        (AttrValue::Float16(0x3c00), &[10, 0, 0x3c]),
        (1_f32.into(), &[11, 0, 0, 0x80, 0x3f]),
        (1_f64.into(), &[12, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]),
        (
            AttrValue::Complex64(1.0, -1.0),
            &[13, 0, 0, 0x80, 0x3f, 0, 0, 0x80, 0xbf],
        ),
        (
            AttrValue::Complex128(1.0, -1.0),
            &[
                14, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0, 0, 0, 0, 0, 0, 0xf0, 0xbf,
            ],
        ),
        (
            AttrValue::DateTime64(5, TimeUnit::Attosecond),
            &[15, 12, 5, 0, 0, 0, 0, 0, 0, 0],
        ),
        (
            AttrValue::TimeDelta64(5, TimeUnit::Year),
            &[16, 0, 5, 0, 0, 0, 0, 0, 0, 0],
        ),
        ("hi".into(), &[19, 2, 0, 0, 0, b'h', b'i']),
        (AttrValue::Bytes(vec![7]), &[20, 1, 0, 0, 0, 7]),
        (
            array(DType::FixedBytes(2), 1, b"ab", &[]),
            &[0x40, 17, 2, 0, 0, 0, 1, 0, 0, 0, b'a', b'b'],
        ),
        (
            array(DType::String, 2, b"abc", &[0, 1, 3]),
            &[
                0x40, 19, 2, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, b'a', b'b', b'c',
            ],
        ),
        (
            AttrValue::List(vec![AttrValue::None]),
            &[0x41, 1, 0, 0, 0, 0],
        ),
        (
            AttrValue::Map([("k", AttrValue::None)].into_iter().collect()),
            &[0x42, 1, 0, 0, 0, 1, 0, b'k', 0],
        ),
    ];
    for (value, golden) in cases {
        let attrs: Attrs = [("a", value.clone())].into_iter().collect();
        let map = [&[1, 0, 0, 0, 1, 0, b'a'], golden].concat();
        assert_eq!(encode_attrs(&attrs).unwrap(), map, "{value:?}");
        assert_eq!(decode_attrs(&map).unwrap(), attrs, "{value:?}");
    }
}
