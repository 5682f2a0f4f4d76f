//! How bytes become lower-case hex text.

use alloc::string::String;

/// Two lower-case digits a byte.
pub(crate) fn lower(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

#[cfg(test)]
mod tests {
    #[test]
    fn each_byte_becomes_two_lower_case_digits() {
        assert_eq!(super::lower(&[0, 10, 0xfe, 0x7f]), "000afe7f");
        assert_eq!(super::lower(&[]), "");
    }
}
