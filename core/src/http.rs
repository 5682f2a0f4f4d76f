//! Where may a request go? URLs as they are allowed, and the one rule on redirects, for downloads and uploads.
//!
//! A URL that a cloud sends is text of a stranger. It is taken only where every reader understands it in the same way:
//! the grammar of RFC 3986 and nothing beside it, so no spaces, backslashes or letters beyond ASCII; a host of letters,
//! digits, `.`, `-` and `_`, or an address; no user info; no fragment.

use alloc::{string::String, vec::Vec};
use core::fmt::{self, Write as _};
use iri_string::types::{UriReferenceStr, UriStr};

/// Longest URL that is taken, in bytes: tokens of storage services make long ones.
pub const MAX_URL: usize = 4096;

/// Redirects that are followed one after the other.
pub const MAX_REDIRECTS: u8 = 3;

/// Why a URL is not used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum UrlFault {
    /// It has more than 4096 bytes.
    TooLong,
    /// It breaks the grammar of RFC 3986, or has a fragment.
    Malformed,
    /// Its scheme is neither `https` nor `http`.
    Scheme,
    /// It is `http`, and the rules allow `https` only.
    PlainHttp,
    /// It holds a user name or password.
    UserInfo,
    /// Its host is missing, or is none of letters, digits, `.`, `-`, `_` and no address.
    Host,
    /// Its port is 0, empty or beyond 65,535.
    Port,
    /// Its host is not on the list of allowed ones.
    NotAllowed,
    /// A redirect leads from `https` to `http`.
    Downgrade,
    /// A redirect does not say where to.
    NoLocation,
    /// More than 3 redirects follow each other.
    TooManyRedirects,
}

impl fmt::Display for UrlFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the URL is longer than 4096 bytes",
            Self::Malformed => "the URL is malformed; escape what RFC 3986 does not allow, and leave the fragment out",
            Self::Scheme => "the URL is neither https nor http",
            Self::PlainHttp => "the URL is http; allow plain HTTP in the rules where content is verified otherwise",
            Self::UserInfo => "the URL holds a user name or password",
            Self::Host => "the URL has no host, or one of other characters than letters, digits, '.', '-' and '_'",
            Self::Port => "the URL's port is no number from 1 to 65535",
            Self::NotAllowed => "the URL's host is not on the list of allowed hosts",
            Self::Downgrade => "a redirect leads from https to http",
            Self::NoLocation => "a redirect does not say where to",
            Self::TooManyRedirects => "more than 3 redirects follow each other",
        })
    }
}

impl core::error::Error for UrlFault {}

/// Which URLs are allowed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "a user writes `Rules { hosts: …, ..Rules::default() }`")]
pub struct Rules {
    /// Whether `http` is allowed. Default: no. Only where what comes is verified by a digest that came another way.
    pub plain_http: bool,
    /// Hosts that are allowed: `files.example` is that host, `.files.example` every host below it. Small letters.
    /// Default: none listed, which allows all.
    pub hosts: Vec<String>,
}

impl Rules {
    /// Reads a URL and holds it against the rules.
    ///
    /// # Errors
    /// [`UrlFault`] names the rule that it breaks.
    pub fn admit(&self, text: &str) -> Result<Url, UrlFault> {
        let url = Url::parse(text)?;
        if !url.https && !self.plain_http {
            return Err(UrlFault::PlainHttp);
        }
        let listed = |entry: &String| match entry.strip_prefix('.') {
            Some(parent) => url.host.strip_suffix(parent).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
            None => url.host == *entry,
        };
        if !self.hosts.is_empty() && !self.hosts.iter().any(listed) {
            return Err(UrlFault::NotAllowed);
        }
        Ok(url)
    }
}

/// A URL that a request may be made to. `Debug` and `Display` leave out what stands behind the host: it may hold a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    text: String,
    https: bool,
    host: String,
    port: u16,
}

impl Url {
    /// Reads an absolute URL.
    ///
    /// # Errors
    /// [`UrlFault`] names what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, UrlFault> {
        if text.len() > MAX_URL {
            return Err(UrlFault::TooLong);
        }
        let uri = UriStr::new(text).map_err(|_| UrlFault::Malformed)?;
        if uri.fragment().is_some() {
            return Err(UrlFault::Malformed);
        }
        let scheme = uri.scheme_str();
        let https = match scheme {
            _ if scheme.eq_ignore_ascii_case("https") => true,
            _ if scheme.eq_ignore_ascii_case("http") => false,
            _ => return Err(UrlFault::Scheme),
        };
        let authority = uri.authority_components().ok_or(UrlFault::Host)?;
        if authority.userinfo().is_some() {
            return Err(UrlFault::UserInfo);
        }
        let host = authority.host();
        let is_name = |host: &str| host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
        let is_address = host.starts_with('[') && !host.contains(['v', 'V', '%']);
        if host.is_empty() || !(is_name(host) || is_address) {
            return Err(UrlFault::Host);
        }
        let port = match authority.port() {
            None if https => 443,
            None => 80,
            Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or(UrlFault::Port)?,
        };
        Ok(Self { text: text.into(), https, host: host.to_ascii_lowercase(), port })
    }

    /// The whole, as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host, in small letters.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether both lead to one scheme, host and port.
    pub fn same_origin(&self, other: &Self) -> bool {
        (self.https, self.port, &self.host) == (other.https, other.port, &other.host)
    }

    /// What `location` means when it stands in an answer of this URL (RFC 3986, 5.2). A fragment is dropped.
    fn join(&self, location: &str) -> Result<String, UrlFault> {
        if location.len() > MAX_URL {
            return Err(UrlFault::TooLong);
        }
        let location = location.split_once('#').map_or(location, |(before, _)| before);
        let base = UriStr::new(&self.text).map_err(|_| UrlFault::Malformed)?;
        let reference = UriReferenceStr::new(location).map_err(|_| UrlFault::Malformed)?;
        let base = base.to_absolute();
        let mut resolved = String::new();
        write!(resolved, "{}", reference.resolve_against(base)).map_err(|_| UrlFault::Malformed)?;
        Ok(resolved)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}/***", self.host, self.port)
    }
}

/// One request on its way from server to server.
///
/// Headers of ours, tokens and the client's certificate go to the scheme, host and port of the first URL only; once a
/// redirect has led elsewhere they stay at home, even if the next one leads back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    url: Url,
    abroad: bool,
    hops: u8,
}

impl Route {
    /// The way begins here.
    pub fn new(url: Url) -> Self {
        Self { url, abroad: false, hops: 0 }
    }

    /// Where the next request goes.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Whether the next request may carry what is meant for the first server only.
    pub fn is_home(&self) -> bool {
        !self.abroad
    }

    /// Whether a status sends a GET elsewhere.
    pub fn is_redirect(status: u16) -> bool {
        matches!(status, 301 | 302 | 303 | 307 | 308)
    }

    /// Follows a redirect.
    ///
    /// # Errors
    /// [`UrlFault`] says why it is not followed.
    pub fn follow(&mut self, rules: &Rules, location: Option<&str>) -> Result<(), UrlFault> {
        if self.hops >= MAX_REDIRECTS {
            return Err(UrlFault::TooManyRedirects);
        }
        let next = rules_for_next(rules, &self.url, location.ok_or(UrlFault::NoLocation)?)?;
        self.hops += 1;
        self.abroad |= !next.same_origin(&self.url);
        self.url = next;
        Ok(())
    }
}

fn rules_for_next(rules: &Rules, here: &Url, location: &str) -> Result<Url, UrlFault> {
    let text = here.join(location)?;
    // Before the rules, which may allow plain HTTP: what began protected stays so.
    if here.https && !Url::parse(&text)?.https {
        return Err(UrlFault::Downgrade);
    }
    rules.admit(&text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, vec};
    use proptest::prelude::*;

    fn plain() -> Rules {
        Rules { plain_http: true, ..Rules::default() }
    }

    fn route(text: &str) -> Route {
        Route::new(plain().admit(text).unwrap())
    }

    #[test]
    fn a_url_is_read_into_origin_and_text() {
        let url = Url::parse("HTTPS://Files.Example:8443/a%20b?sig=x%2F").unwrap();
        assert_eq!((url.host(), url.port, url.https), ("files.example", 8443, true));
        assert_eq!(url.as_str(), "HTTPS://Files.Example:8443/a%20b?sig=x%2F");
        assert_eq!(Url::parse("http://h").unwrap().port, 80);
        assert_eq!(Url::parse("https://[::1]/x").unwrap().host(), "[::1]");
    }

    #[test]
    fn r_103_a_url_that_readers_could_understand_differently_is_refused() {
        for (text, fault) in [
            ("ftp://h/a", UrlFault::Scheme),
            ("file:///etc/passwd", UrlFault::Scheme),
            ("https:/h/a", UrlFault::Host),
            ("https:///a", UrlFault::Host),
            ("https://user:secret@h/a", UrlFault::UserInfo),
            ("https://good.example@evil.example/", UrlFault::UserInfo),
            ("https://@h/", UrlFault::UserInfo),
            ("https://good.example\\@evil.example/", UrlFault::Malformed),
            ("https://h/a b", UrlFault::Malformed),
            (" https://h/", UrlFault::Malformed),
            ("https://h/\r\nX: y", UrlFault::Malformed),
            ("https://h/ü", UrlFault::Malformed),
            ("https://h/%zz", UrlFault::Malformed),
            ("https://h/a#b", UrlFault::Malformed),
            ("https://h%2eexample/", UrlFault::Host),
            ("https://a,b/", UrlFault::Host),
            ("https://[v1.x]/", UrlFault::Host),
            ("https://h:/", UrlFault::Port),
            ("https://h:0/", UrlFault::Port),
            ("https://h:65536/", UrlFault::Port),
            ("/a", UrlFault::Malformed),
            ("", UrlFault::Malformed),
        ] {
            assert_eq!(Url::parse(text), Err(fault), "{text}");
        }
        assert_eq!(Url::parse(&format!("https://h/{}", "a".repeat(MAX_URL))), Err(UrlFault::TooLong));
    }

    #[test]
    fn r_103_only_https_is_taken_unless_the_rules_say_otherwise() {
        assert_eq!(Rules::default().admit("http://h/"), Err(UrlFault::PlainHttp));
        assert!(plain().admit("http://h/").is_ok());
        assert!(Rules::default().admit("https://h/").is_ok());
    }

    #[test]
    fn r_103_where_hosts_are_listed_no_other_is_taken() {
        let rules = Rules { hosts: vec!["a.example".into(), ".b.example".into()], ..Rules::default() };
        for good in ["https://a.example/", "https://A.Example/", "https://x.b.example/", "https://y.x.b.example:1/"] {
            assert!(rules.admit(good).is_ok(), "{good}");
        }
        for bad in ["https://b.example/", "https://xa.example/", "https://a.example.evil/", "https://.b.example/"] {
            assert_eq!(rules.admit(bad), Err(UrlFault::NotAllowed), "{bad}");
        }
    }

    #[test]
    fn r_103_a_redirect_is_resolved_and_held_against_the_rules() {
        for (location, next) in [
            ("https://cdn.example/f", "https://cdn.example/f"),
            ("//cdn.example/f", "https://cdn.example/f"),
            ("/f?x=1", "https://h.example/f?x=1"),
            ("f", "https://h.example/a/f"),
            ("../../f", "https://h.example/f"),
            ("?y", "https://h.example/a/b?y"),
            ("/f#part", "https://h.example/f"),
        ] {
            let mut route = route("https://h.example/a/b?q");
            assert_eq!(route.follow(&plain(), Some(location)), Ok(()), "{location}");
            assert_eq!(route.url().as_str(), next);
        }
        for (location, fault) in [
            (Some("http://h.example/a"), UrlFault::Downgrade),
            (Some("ftp://h.example/a"), UrlFault::Scheme),
            (Some("https://u@h.example/a"), UrlFault::UserInfo),
            (Some("a b"), UrlFault::Malformed),
            (Some("foo:/..//bar"), UrlFault::Scheme),
            (None, UrlFault::NoLocation),
        ] {
            let mut route = route("https://h.example/a/b");
            assert_eq!(route.follow(&plain(), location), Err(fault), "{location:?}");
            assert_eq!(route.url().as_str(), "https://h.example/a/b", "a redirect that is refused changes nothing");
        }
    }

    #[test]
    fn r_103_after_three_redirects_there_is_no_fourth() {
        let mut route = route("https://h/0");
        for hop in ["1", "2", "3"] {
            assert_eq!(route.follow(&plain(), Some(hop)), Ok(()));
        }
        assert_eq!(route.follow(&plain(), Some("4")), Err(UrlFault::TooManyRedirects));
    }

    #[test]
    fn r_103_what_is_meant_for_the_first_server_never_follows_to_another_nor_back() {
        let mut way = route("https://h/0");
        way.follow(&plain(), Some("/1")).unwrap();
        assert!(way.is_home());
        way.follow(&plain(), Some("https://other/1")).unwrap();
        assert!(!way.is_home());
        way.follow(&plain(), Some("https://h/2")).unwrap();
        assert!(!way.is_home());
        let mut way = route("https://h/0");
        for location in ["https://other/1", "/2"] {
            way.follow(&plain(), Some(location)).unwrap();
            assert!(!way.is_home(), "within another server it is still another server");
        }
        for elsewhere in ["https://h:444/", "https://h.evil/"] {
            let mut way = route("https://h/");
            way.follow(&plain(), Some(elsewhere)).unwrap();
            assert!(!way.is_home(), "{elsewhere}");
        }
    }

    #[test]
    fn r_10_a_url_prints_without_what_stands_behind_its_host() {
        let url = Url::parse("https://h.example/a?sig=secret").unwrap();
        assert_eq!(format!("{url:?} {url}"), "https://h.example:443/*** https://h.example:443/***");
    }

    proptest! {
        #[test]
        fn r_1_no_text_makes_the_reader_panic(text in ".{0,60}", location in ".{0,60}") {
            let _ = Url::parse(&text);
            let mut way = route("https://h/a");
            let _ = way.follow(&plain(), Some(&location));
        }

        #[test]
        fn r_103_what_is_admitted_is_https_at_a_plain_host(tail in "[ -~]{0,40}") {
            if let Ok(url) = Rules::default().admit(&format!("https:{tail}")) {
                prop_assert!(url.https && !url.host.is_empty() && !url.text.contains(['\\', ' ', '#']));
                prop_assert!(url.host.bytes().all(|byte| byte.is_ascii_graphic() && !b"@/\\?#%".contains(&byte)));
            }
        }
    }
}
