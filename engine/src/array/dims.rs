//! Dims of an entry: axes of one name share a slot, and thus a size.
use super::ArraySpec;
use super::checks::shape_error;
use super::limits::dim_name_fault;
use super::names::Names;
use super::schema::Axes;
use crate::Result;

/// Dim slots in the order of first use.
#[derive(Default)]
pub(super) struct Dims<'a> {
    pub(super) sizes: Vec<u64>,
    /// Schema section of the dim slots.
    pub(super) names: Vec<u8>,
    /// Slot of a name and the array that used it first.
    known: Names<'a, (u32, &'a str)>,
    /// Whether each array has sizes of its own.
    pub(super) apart: bool,
}

impl<'a> Dims<'a> {
    /// Slots of the axes of `array`, made as needed.
    pub(super) fn slots(&mut self, array: &'a str, spec: &'a ArraySpec<'a>) -> Result<Axes> {
        if self.apart {
            self.known = Names::default();
        }
        let rank = spec.shape.len();
        if !spec.dims.is_empty() && spec.dims.len() != rank {
            return Err(shape_error(
                array,
                format!(
                    "{} dims for {rank} axes of shape {:?}",
                    spec.dims.len(),
                    spec.shape
                ),
            ));
        }
        let names = spec.dims.iter().map(Option::as_deref);
        spec.shape
            .iter()
            .zip(names.chain(std::iter::repeat(None)))
            .map(|(size, name)| match name {
                None => Ok(self.add("", *size)),
                Some(name) => self.named(array, name, *size),
            })
            .collect()
    }

    fn named(&mut self, array: &'a str, name: &'a str, size: u64) -> Result<u32> {
        let Some((slot, first)) = self.known.get(name) else {
            if let Some(fault) = dim_name_fault(name) {
                let shown: String = name.chars().take(40).collect();
                return Err(shape_error(array, format!("dim {shown:?}: {fault}")));
            }
            let slot = self.add(name, size);
            self.known.add(name, (slot, array));
            return Ok(slot);
        };
        let known = self.sizes.get(slot as usize).copied().unwrap_or(size);
        if known == size {
            return Ok(slot);
        }
        Err(shape_error(
            array,
            format!(
                "dim {name:?} has size {size} here and {known} in array {first:?} of the same entry"
            ),
        ))
    }

    fn add(&mut self, name: &str, size: u64) -> u32 {
        // At most 65,535 arrays of 32 axes; names of at most 255 bytes.
        let slot = self.sizes.len() as u32;
        self.sizes.push(size);
        self.names.push(name.len() as u8);
        self.names.extend_from_slice(name.as_bytes());
        slot
    }
}
