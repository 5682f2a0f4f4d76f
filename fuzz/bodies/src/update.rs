//! Do the texts of strangers that lead to a download hold: URLs and redirects, manifests, signatures?
//!
//! Bytes: a byte that says which, then text. URLs: the first line, then a redirect a line. Signatures: the signature, 0,
//! the manifest.

use skytether_core::{
    azure::update::{MAX_FILES, MAX_STEPS, Manifest, Signature},
    http::{MAX_REDIRECTS, MAX_URL, Route, Rules, Url},
};

pub(crate) fn run(data: &[u8]) {
    let Some((kind, text)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(text);
    match kind % 3 {
        0 => urls(&text),
        1 => manifest(&text),
        _ => signature(&text),
    }
}

fn urls(text: &str) {
    let mut lines = text.lines();
    let rules = Rules { plain_http: text.len().is_multiple_of(2), hosts: Vec::new() };
    let Ok(url) = rules.admit(lines.next().unwrap_or_default()) else { return };
    check(&url, &rules);
    let home = url.clone();
    let mut route = Route::new(url);
    let mut hops = 0;
    for location in lines {
        let before = route.clone();
        match route.follow(&rules, Some(location)) {
            Ok(()) => {
                hops += 1;
                check(route.url(), &rules);
                assert!(!is_https(before.url()) || is_https(route.url()), "from https to http (R-103)");
                assert!(!route.is_home() || route.url().same_origin(&home), "tokens leave their host (R-103)");
                assert!(before.is_home() || !route.is_home(), "tokens come back (R-103)");
            }
            Err(_) => assert_eq!(route, before, "a refused redirect changes nothing (R-11)"),
        }
    }
    assert!(hops <= MAX_REDIRECTS, "too many redirects (R-103)");
}

fn is_https(url: &Url) -> bool {
    url.as_str().get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"))
}

fn check(url: &Url, rules: &Rules) {
    let text = url.as_str();
    assert!(text.len() <= MAX_URL && text.bytes().all(|byte| byte.is_ascii_graphic()), "{text:?}");
    assert!(rules.plain_http || is_https(url), "plain HTTP (R-103)");
    let authority = text.split_once("://").expect("an authority").1.split(['/', '?', '#']).next().unwrap_or_default();
    assert!(!authority.contains(['@', '\\', '%']), "{text:?}");
    assert!(authority.to_ascii_lowercase().starts_with(url.host()) && !url.host().is_empty(), "{text:?}");
    assert_eq!(Url::parse(text).as_ref(), Ok(url));
}

fn manifest(text: &str) {
    let Ok(manifest) = Manifest::parse(text) else { return };
    assert!((1..=MAX_STEPS).contains(&manifest.steps.len()) && manifest.files.len() <= MAX_FILES);
    for id in manifest.steps.iter().flat_map(|step| &step.files) {
        assert_eq!(manifest.files.iter().filter(|file| file.id == *id).count(), 1, "{id} once");
    }
    for file in &manifest.files {
        assert!(!file.name.contains(['/', '\\', '\0']) && file.name != "..", "a path from the network (R-125)");
    }
}

fn signature(text: &str) {
    let (text, manifest) = text.split_once('\0').unwrap_or((text, ""));
    let Ok(signature) = Signature::parse(text, manifest) else { return };
    assert!(signature.modulus.len() >= 256 && !signature.exponent.is_empty() && !signature.signature.is_empty());
    assert!(text.as_bytes().starts_with(&signature.signed));
}
