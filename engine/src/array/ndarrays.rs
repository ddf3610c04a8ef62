//! Arrays of the crate ndarray, to and from.

use std::borrow::Cow;

use ndarray::{ArrayD, ArrayView as NdView, ArrayViewD, Dimension, IxDyn};
use zerocopy::IntoBytes;

use super::{ArrayBytes, ArraySpec, ArrayView, Element};
use crate::{Error, Result};

impl<'a> ArrayView<'a> {
    /// The elements as a view of the crate `ndarray`, without a copy, which lives as long as
    /// the bytes do. `Error::DType` as from [`as_slice`](Self::as_slice), whose cost it has.
    ///
    /// Of a masked array the elements under the mask are among them, as they are stored;
    /// [`missing_ndarray`](Self::missing_ndarray) tells which these are.
    ///
    /// ```
    /// # fn main() -> arraylog::Result<()> {
    /// use arraylog::{ArraySpec, Attrs, Store};
    ///
    /// let part = Store::memory()?.default_partition()?;
    /// let grid = ndarray::array![[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]];
    /// part.write("k", &[("t", ArraySpec::from_ndarray(grid.t()))], &Attrs::new())?;
    ///
    /// let elements = part.array("k", "t")?.read()?;
    /// let stored = elements.view().to_ndarray::<f32>()?;
    /// assert_eq!(stored.shape(), [3, 2]);
    /// assert_eq!(stored, grid.t().into_dyn());
    /// # Ok(())
    /// # }
    /// ```
    pub fn to_ndarray<T: Element>(&self) -> Result<ArrayViewD<'a, T>> {
        let shape = self.lengths()?;
        ArrayViewD::from_shape(shape, self.as_slice()?).map_err(|error| self.unshaped(&error))
    }

    /// Which elements are missing (true), as NumPy has a mask; `None` without a mask.
    ///
    /// Costs a pass over the validity bits, and a byte an element.
    pub fn missing_ndarray(&self) -> Result<Option<ArrayD<bool>>> {
        let Some(validity) = self.validity() else {
            return Ok(None);
        };
        let bits = validity.iter().flat_map(|byte| {
            let is_missing = move |bit: u32| byte.wrapping_shr(bit) & 1 == 0;
            (0..8).map(is_missing)
        });
        let shape = self.lengths()?;
        let missing: Vec<bool> = bits.take(shape.size()).collect();
        let array = ArrayD::from_shape_vec(shape, missing);
        array.map(Some).map_err(|error| self.unshaped(&error))
    }

    fn lengths(&self) -> Result<IxDyn> {
        let lengths = self.shape().iter().map(|&length| usize::try_from(length));
        let lengths = lengths.collect::<Result<Vec<_>, _>>();
        lengths
            .map(|lengths| IxDyn(&lengths))
            .map_err(|error| self.unshaped(&error))
    }

    #[cold]
    fn unshaped(&self, error: &dyn std::fmt::Display) -> Error {
        Error::Shape {
            array: self.info().name.clone(),
            detail: format!(
                "shape {:?} and {} bytes are no array of ndarray: {error}",
                self.shape(),
                self.data().len()
            ),
        }
    }
}

impl<'a> ArraySpec<'a> {
    /// An array over a view of the crate `ndarray`, of the same shape.
    ///
    /// Borrows elements that stand in C order; others are copied once, here.
    pub fn from_ndarray<T: Element, D: Dimension>(array: NdView<'a, T, D>) -> Self {
        let shape: Vec<u64> = array.shape().iter().map(|&length| length as u64).collect();
        let data = match array.to_slice() {
            Some(elements) => Cow::Borrowed(elements.as_bytes()),
            None => {
                let bytes = array.len().saturating_mul(size_of::<T>());
                let mut copied = Vec::with_capacity(bytes);
                for row in array.rows() {
                    match row.to_slice() {
                        Some(elements) => copied.extend_from_slice(elements.as_bytes()),
                        None => row
                            .iter()
                            .for_each(|element| copied.extend_from_slice(element.as_bytes())),
                    }
                }
                Cow::Owned(copied)
            }
        };
        let mut spec = Self::new(T::DTYPE, &shape, &[]);
        spec.data = ArrayBytes::Fixed(data);
        spec
    }
}
