//! Array names that mean more than one thing.
//!
//! Entries of a partition may differ in dtype, rank and masks. That is legal
//! and often not meant, so it is shown before somebody concatenates.

use std::collections::BTreeMap;

use arraylog::DType;

/// What arrays of one name should share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) dtype: DType,
    pub(crate) rank: usize,
    pub(crate) masked: bool,
}

impl std::fmt::Display for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} rank {}", self.dtype, self.rank)?;
        if self.masked {
            f.write_str(" masked")
        } else {
            Ok(())
        }
    }
}

/// One form of a name, how often it was met and where first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variant<P> {
    pub(crate) form: Form,
    pub(crate) count: u64,
    pub(crate) first: P,
}

/// Names that are followed. Data whose names are data would fill the memory.
const MAX_NAMES: usize = 65_536;

/// The forms of each name; `P` is the place where one was first met.
#[derive(Debug)]
pub(crate) struct Drift<P> {
    names: BTreeMap<String, Vec<Variant<P>>>,
}

impl<P> Default for Drift<P> {
    fn default() -> Self {
        Self {
            names: BTreeMap::new(),
        }
    }
}

impl<P> Drift<P> {
    /// Counts one array.
    pub(crate) fn meet(&mut self, name: &str, form: Form, place: impl FnOnce() -> P) {
        if let Some(variants) = self.names.get_mut(name) {
            match variants.iter_mut().find(|variant| variant.form == form) {
                Some(variant) => variant.count += 1,
                None => variants.push(Variant {
                    form,
                    count: 1,
                    first: place(),
                }),
            }
        } else if self.names.len() < MAX_NAMES {
            let variant = Variant {
                form,
                count: 1,
                first: place(),
            };
            self.names.insert(name.to_owned(), vec![variant]);
        }
    }

    /// Names with more than one form, in order.
    pub(crate) fn drifting(&self) -> impl Iterator<Item = (&str, &[Variant<P>])> {
        let names = self.names.iter().filter(|(_, variants)| variants.len() > 1);
        names.map(|(name, variants)| (name.as_str(), variants.as_slice()))
    }
}

/// What would have given the arrays called `name` one form.
pub(crate) fn advice<P>(name: &str, variants: &[Variant<P>]) -> String {
    let forms = || variants.iter().map(|variant| variant.form);
    let mut advice = Vec::new();
    let first = forms().next();
    if forms().any(|form| Some(form.dtype) != first.map(|first| first.dtype)) {
        advice.push(match common(forms().map(|form| form.dtype)) {
            Some(dtype) => format!("--dtype {name}={dtype}"),
            None => "no dtype takes all of them: write the values alike".to_owned(),
        });
    }
    if forms().any(|form| Some(form.rank) != first.map(|first| first.rank)) {
        advice.push("write lists of one depth".to_owned());
    }
    if forms().any(|form| Some(form.masked) != first.map(|first| first.masked)) {
        let floats = forms().all(|form| is_float(form.dtype) || is_integer(form.dtype));
        let some_float = forms().any(|form| is_float(form.dtype));
        advice.push(if floats && some_float {
            "--null nan, or a \"mask\" in every line".to_owned()
        } else {
            "a \"mask\" in every line".to_owned()
        });
    }
    advice.join("; ")
}

/// A dtype that the tokens of all of these fit.
fn common(dtypes: impl Iterator<Item = DType> + Clone) -> Option<DType> {
    let all = |test: fn(DType) -> bool| dtypes.clone().all(test);
    if all(is_integer) {
        return Some(if dtypes.clone().any(|dtype| dtype == DType::UInt64) {
            DType::UInt64
        } else {
            DType::Int64
        });
    }
    if all(|dtype| is_integer(dtype) || is_float(dtype)) {
        return Some(DType::Float64);
    }
    None
}

fn is_float(dtype: DType) -> bool {
    matches!(
        dtype,
        DType::Float16
            | DType::BFloat16
            | DType::Float8E4M3
            | DType::Float8E5M2
            | DType::Float32
            | DType::Float64
    )
}

fn is_integer(dtype: DType) -> bool {
    matches!(
        dtype,
        DType::Int8
            | DType::Int16
            | DType::Int32
            | DType::Int64
            | DType::UInt8
            | DType::UInt16
            | DType::UInt32
            | DType::UInt64
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(dtype: DType, rank: usize, masked: bool) -> Form {
        Form {
            dtype,
            rank,
            masked,
        }
    }

    #[test]
    fn a_name_of_one_form_does_not_drift() {
        let mut drift = Drift::default();
        drift.meet("x", form(DType::Int8, 1, false), || 1);
        drift.meet("x", form(DType::Int8, 1, false), || 2);
        assert_eq!(drift.drifting().count(), 0);
    }

    #[test]
    fn forms_are_counted_with_their_first_place_and_a_flag() {
        let mut drift = Drift::default();
        drift.meet("x", form(DType::Int64, 1, false), || 1);
        drift.meet("x", form(DType::Float64, 1, true), || 2);
        drift.meet("x", form(DType::Float64, 1, true), || 3);
        let (name, variants) = drift.drifting().next().expect("a drift");
        let counts: Vec<_> = variants
            .iter()
            .map(|variant| (variant.count, variant.first))
            .collect();
        assert_eq!(counts, [(1, 1), (2, 2)]);
        let advice = advice(name, variants);
        assert!(
            advice.contains("--dtype x=float64") && advice.contains("--null nan"),
            "{advice}"
        );
    }

    #[test]
    fn text_and_numbers_have_no_common_dtype() {
        let dtypes = [DType::String, DType::Int64];
        assert_eq!(common(dtypes.into_iter()), None);
        assert_eq!(
            common([DType::Int64, DType::UInt64].into_iter()),
            Some(DType::UInt64)
        );
    }
}
