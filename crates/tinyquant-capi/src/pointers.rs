//! Pointers of the caller: the only place where they are followed.

use crate::failure::Failure;
use crate::ids::GivenText;
use std::ffi::{CStr, c_char};
use std::marker::PhantomData;
use std::{ptr, slice};

/// The caller's promise for the time of one call. Whoever has it may follow that call's pointers.
pub(crate) struct Caller(());

/// A place that a result goes to: not null, and aligned.
pub(crate) struct Out<'a, T> {
    place: *mut T,
    promise: PhantomData<&'a Caller>,
}

/// A buffer of the caller for `len` components: not null unless `len` is 0, and aligned.
pub(crate) struct OutFloats<'a> {
    place: *mut f32,
    len: usize,
    promise: PhantomData<&'a Caller>,
}

#[allow(
    clippy::unused_self,
    reason = "whoever has no promise must not follow pointers"
)]
impl Caller {
    /// Takes the caller's promise.
    ///
    /// # Safety
    /// Until the call returns, every pointer argument of it that is not null, and every such pointer in what one points
    /// to, must point to memory that is valid and initialized for reading as many values as the header says (a text up to
    /// its zero byte), or valid for writing them, and nobody else may write to that memory or, where it is
    /// written, read it.
    pub(crate) const unsafe fn new() -> Self {
        Self(())
    }

    /// The `len` components at `start`; none for null with a `len` of 0.
    pub(crate) fn floats(
        &self,
        start: *const f32,
        len: usize,
        name: &str,
    ) -> Result<&[f32], Failure> {
        self.values(start, len, name)
    }

    /// The `len` numbers at `start`; none for null with a `len` of 0.
    pub(crate) fn numbers(
        &self,
        start: *const u64,
        len: usize,
        name: &str,
    ) -> Result<&[u64], Failure> {
        self.values(start, len, name)
    }

    /// The `len` bytes at `start`; none for null with a `len` of 0.
    pub(crate) fn bytes(&self, start: *const u8, len: usize, name: &str) -> Result<&[u8], Failure> {
        self.values(start, len, name)
    }

    /// The text at `start`.
    pub(crate) fn text(&self, start: *const c_char, name: &str) -> Result<&str, Failure> {
        self.text_or_none(start, name)?
            .ok_or_else(|| Failure::invalid_arg(format!("{name} is NULL")))
    }

    /// The text at `start`; none for null.
    pub(crate) fn text_or_none(
        &self,
        start: *const c_char,
        name: &str,
    ) -> Result<Option<&str>, Failure> {
        if start.is_null() {
            return Ok(None);
        }
        // SAFETY: it is not null; that it ends in a zero byte and stays as it is the caller promised.
        let text = unsafe { CStr::from_ptr(start) };
        let text = text.to_str().map_err(|error| {
            let at = error.valid_up_to();
            Failure::invalid_arg(format!(
                "{name} is not UTF-8: byte {at} is none of a character"
            ))
        })?;
        Ok(Some(text))
    }

    /// The `len` texts whose places lie at `start`.
    pub(crate) fn texts(
        &self,
        start: *const *const c_char,
        len: usize,
        name: &str,
    ) -> Result<Vec<GivenText<'_>>, Failure> {
        let places = self.values(start, len, name)?.iter().enumerate();
        places
            .map(|(at, place)| Ok(GivenText(self.text(*place, &format!("{name}[{at}]"))?)))
            .collect()
    }

    /// A copy of the structure at `place`, all of whose bit patterns are valid.
    pub(crate) fn read<T: Plain>(&self, place: *const T, name: &str) -> Result<T, Failure> {
        check(place, name)?;
        // SAFETY: it is not null and aligned; that it points to a whole structure the caller promised.
        Ok(unsafe { place.read() })
    }

    /// The place for a result.
    pub(crate) fn out<T>(&self, place: *mut T, name: &str) -> Result<Out<'_, T>, Failure> {
        check(place, name)?;
        let promise = PhantomData;
        Ok(Out { place, promise })
    }

    /// The place for a result that the caller may do without.
    pub(crate) fn out_or_none<T>(
        &self,
        place: *mut T,
        name: &str,
    ) -> Result<Option<Out<'_, T>>, Failure> {
        if place.is_null() {
            return Ok(None);
        }
        self.out(place, name).map(Some)
    }

    /// The buffer of `len` components that a result of `expected` goes to.
    pub(crate) fn out_floats(
        &self,
        place: *mut f32,
        len: usize,
        expected: usize,
        name: &str,
    ) -> Result<OutFloats<'_>, Failure> {
        if len != expected {
            return Err(Failure::length(name, len, expected));
        }
        if len > 0 {
            check(place, name)?;
        }
        let promise = PhantomData;
        Ok(OutFloats {
            place,
            len,
            promise,
        })
    }

    fn values<T: Plain>(&self, start: *const T, len: usize, name: &str) -> Result<&[T], Failure> {
        if len == 0 {
            return Ok(&[]);
        }
        check(start, name)?;
        if len > isize::MAX as usize / size_of::<T>() {
            let message = format!("{name} has {len} values, more than any memory holds");
            return Err(Failure::invalid_arg(message));
        }
        // SAFETY: it is not null and aligned, and the length fits; that so many values lie there and that nobody writes
        // to them meanwhile the caller promised. Every bit pattern is a value.
        Ok(unsafe { slice::from_raw_parts(start, len) })
    }
}

impl<T> Out<'_, T> {
    /// Puts a result there.
    pub(crate) fn set(self, result: T) {
        // SAFETY: it is not null and aligned; that it may be written to the caller promised.
        unsafe { self.place.write(result) }
    }
}

impl OutFloats<'_> {
    /// Copies all components there; fails if there are not exactly as many as the buffer has room for.
    pub(crate) fn fill(self, values: &[f32]) -> Result<(), Failure> {
        if values.len() != self.len {
            return Err(Failure::length("the buffer", self.len, values.len()));
        }
        if !values.is_empty() {
            // SAFETY: the place is not null and aligned; that there is room the caller promised. `values` are memory of
            // this library, which no buffer of the caller overlaps.
            unsafe { ptr::copy_nonoverlapping(values.as_ptr(), self.place, values.len()) }
        }
        Ok(())
    }
}

/// A type all of whose bit patterns are values.
///
/// # Safety
/// There must be no others.
pub(crate) unsafe trait Plain: Sized {}

// SAFETY: any bits are a number or a pointer.
unsafe impl Plain for f32 {}
// SAFETY: as above.
unsafe impl Plain for u64 {}
// SAFETY: as above.
unsafe impl Plain for u8 {}
// SAFETY: as above; the pointer is not followed by reading it.
unsafe impl Plain for *const c_char {}
// SAFETY: its fields are numbers and pointers.
unsafe impl Plain for crate::last_error::TqError {}
// SAFETY: its fields are numbers.
unsafe impl Plain for crate::index_options::TqIndexOptions {}
// SAFETY: its fields are numbers and pointers.
unsafe impl Plain for crate::index_options::TqSearchOptions {}

fn check<T>(place: *const T, name: &str) -> Result<(), Failure> {
    if place.is_null() {
        return Err(Failure::invalid_arg(format!("{name} is NULL")));
    }
    if !place.is_aligned() {
        let (align, address) = (align_of::<T>(), place.addr());
        let message = format!("{name} must lie at a multiple of {align} bytes, got {address:#x}");
        return Err(Failure::invalid_arg(message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{TQ_ERR_DIM_MISMATCH, TQ_ERR_INVALID_ARG};

    #[test]
    fn null_has_no_values() {
        // SAFETY: the pointers of this test are null or to its own variables.
        let caller = unsafe { Caller::new() };
        assert!(caller.floats(ptr::null(), 0, "x").unwrap().is_empty());
        let failure = caller.floats(ptr::null(), 1, "x").unwrap_err();
        assert_eq!(failure.status, TQ_ERR_INVALID_ARG);
        assert_eq!(failure.message, "x is NULL");
        assert!(caller.text_or_none(ptr::null(), "x").unwrap().is_none());
        assert!(caller.text(ptr::null(), "x").is_err());
        assert!(caller.out::<u64>(ptr::null_mut(), "x").is_err());
    }

    #[test]
    fn misplaced_values_are_refused() {
        // SAFETY: the pointers of this test are not followed.
        let caller = unsafe { Caller::new() };
        let odd = ptr::without_provenance::<f32>(0x1001);
        let failure = caller.floats(odd, 1, "x").unwrap_err();
        assert_eq!(
            failure.message,
            "x must lie at a multiple of 4 bytes, got 0x1001"
        );
        let place = ptr::without_provenance::<f32>(0x1000);
        assert!(caller.floats(place, usize::MAX, "x").is_err());
    }

    #[test]
    fn buffers_have_the_length_of_the_result() {
        let mut buffer = [0.0; 2];
        // SAFETY: the pointers of this test are to its own variables.
        let caller = unsafe { Caller::new() };
        let place = buffer.as_mut_ptr();
        let failure = caller.out_floats(place, 2, 3, "out").err().unwrap();
        assert_eq!(failure.status, TQ_ERR_DIM_MISMATCH);
        let out = caller.out_floats(place, 2, 2, "out").unwrap();
        assert!(out.fill(&[1.0]).is_err());
        let out = caller.out_floats(place, 2, 2, "out").unwrap();
        out.fill(&[1.0, 2.0]).unwrap();
        assert_eq!(buffer.map(f32::to_bits), [1.0, 2.0].map(f32::to_bits));
    }

    #[test]
    fn texts_are_utf_8() {
        // SAFETY: the pointers of this test are to its own variables.
        let caller = unsafe { Caller::new() };
        assert_eq!(caller.text(c"grün".as_ptr(), "x").unwrap(), "grün");
        let failure = caller.text(c"gr\xfcn".as_ptr(), "x").unwrap_err();
        assert_eq!(
            failure.message,
            "x is not UTF-8: byte 2 is none of a character"
        );
    }
}
