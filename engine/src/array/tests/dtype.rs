use super::*;

#[test]
fn every_dtype_has_a_name_that_parses_back() {
    for dtype in all_dtypes() {
        assert_eq!(dtype.to_string().parse(), Ok(dtype));
    }
}

#[test]
fn names_are_those_of_numpy() {
    let names = [
        (DType::Bool, "bool"),
        (DType::UInt64, "uint64"),
        (DType::Float16, "float16"),
        (DType::BFloat16, "bfloat16"),
        (DType::Float8E4M3, "float8_e4m3fn"),
        (DType::Float8E5M2, "float8_e5m2"),
        (DType::Complex128, "complex128"),
        (DType::DateTime64(TimeUnit::Nanosecond), "datetime64[ns]"),
        (DType::TimeDelta64(TimeUnit::Attosecond), "timedelta64[as]"),
        (DType::DateTime64(TimeUnit::Month), "datetime64[M]"),
        (DType::DateTime64(TimeUnit::Minute), "datetime64[m]"),
        (DType::FixedBytes(5), "S5"),
        (DType::FixedString(0), "U0"),
        (DType::String, "string"),
        (DType::Bytes, "bytes"),
    ];
    for (dtype, name) in names {
        assert_eq!(dtype.to_string(), name);
    }
}

#[test]
fn item_sizes_are_those_of_numpy() {
    let sizes = [
        (DType::Bool, Some(1)),
        (DType::Float16, Some(2)),
        (DType::BFloat16, Some(2)),
        (DType::Float8E4M3, Some(1)),
        (DType::Float8E5M2, Some(1)),
        (DType::Complex64, Some(8)),
        (DType::Complex128, Some(16)),
        (DType::TimeDelta64(TimeUnit::Day), Some(8)),
        (DType::FixedBytes(3), Some(3)),
        (DType::FixedString(3), Some(12)),
        (DType::String, None),
    ];
    for (dtype, size) in sizes {
        assert_eq!(dtype.item_size(), size, "{dtype}");
    }
}

#[test]
fn small_floats_are_told_from_those_of_the_same_width() {
    for name in [
        "float8",
        "float8_e4m3",
        "float8_e4m3fnuz",
        "bf16",
        "float4_e2m1fn",
    ] {
        let message = name.parse::<DType>().unwrap_err();
        assert!(
            message.contains("float16 bfloat16 float8_e4m3fn float8_e5m2"),
            "{message}"
        );
    }
}

#[test]
fn an_unknown_name_is_told_what_exists() {
    for name in [
        "float",
        "",
        "S",
        "U",
        "S-1",
        "S+1",
        "Sx",
        "S4294967296",
        "Int8",
        "bool ",
    ] {
        let message = name.parse::<DType>().unwrap_err();
        assert!(
            message.starts_with(&format!("no dtype {name:?}; there are bool int8 ")),
            "{message}"
        );
        assert!(
            message.contains("datetime64[u] timedelta64[u] S<n> U<n>, u one of Y M W"),
            "{message}"
        );
    }
}

#[test]
fn a_time_without_a_plain_unit_is_told_the_units() {
    for name in [
        "datetime64",
        "datetime64[]",
        "datetime64[25s]",
        "timedelta64[S]",
        "timedelta64[s",
    ] {
        let message = name.parse::<DType>().unwrap_err();
        assert!(
            message.contains("with u one of Y M W D h m s ms us ns ps fs as"),
            "{message}"
        );
    }
}

#[test]
fn an_element_has_at_most_two_gibibytes() {
    assert!("S2147483647".parse::<DType>().is_ok());
    assert!("U536870911".parse::<DType>().is_ok());
    for name in ["S2147483648", "U536870912"] {
        let message = name.parse::<DType>().unwrap_err();
        assert_eq!(
            message,
            format!("an element of {name} is longer than 2147483647 bytes")
        );
    }
}
