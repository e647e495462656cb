//! The two texts of a signature, taken apart again.

/// The lines of a canonical request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CanonicalRequest<'t> {
    pub(super) method: &'t str,
    pub(super) path: &'t str,
    pub(super) query: &'t str,
    pub(super) headers: Vec<(&'t str, &'t str)>,
    pub(super) signed_headers: &'t str,
    pub(super) payload_hash: &'t str,
}

impl<'t> CanonicalRequest<'t> {
    /// `None` where the text has not the form of a canonical request.
    pub(super) fn read(text: &'t str) -> Option<Self> {
        let mut lines = text.lines();
        let (method, path, query) = (lines.next()?, lines.next()?, lines.next()?);
        let mut headers = Vec::new();
        for line in lines.by_ref().take_while(|line| !line.is_empty()) {
            headers.push(line.split_once(':')?);
        }
        let (signed_headers, payload_hash) = (lines.next()?, lines.next()?);
        let whole = lines.all(str::is_empty);
        whole.then_some(Self { method, path, query, headers, signed_headers, payload_hash })
    }
}

/// The lines of a string to sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StringToSign<'t> {
    pub(super) algorithm: &'t str,
    pub(super) timestamp: &'t str,
    pub(super) scope: &'t str,
    pub(super) hash: &'t str,
}

impl<'t> StringToSign<'t> {
    pub(super) fn read(text: &'t str) -> Option<Self> {
        let mut lines = text.lines();
        let found =
            Self { algorithm: lines.next()?, timestamp: lines.next()?, scope: lines.next()?, hash: lines.next()? };
        Some(found)
    }
}
