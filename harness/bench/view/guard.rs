//! Who may ask, and what every answer carries.
//!
//! A page on another site can make a browser ask this server under that site's name (DNS rebinding). Such
//! a request names the site as its host, so only addresses and `localhost` are answered.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Which names are answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guard {
    /// Only this machine asks.
    loopback: bool,
}

impl Guard {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { loopback: address.ip().is_loopback() }
    }

    /// Whether a request that names this host is answered. The port is the connection's in any case.
    fn admits(self, host: &str) -> bool {
        // An IPv6 address stands in brackets before its port.
        let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, _)) => address,
            None => host.rsplit_once(':').map_or(host, |(name, _)| name),
        };
        match name.parse::<IpAddr>() {
            Ok(address) => address.is_loopback() || !self.loopback,
            Err(_) => name.eq_ignore_ascii_case("localhost"),
        }
    }
}

const HEADERS: [(header::HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

pub(super) async fn watch(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let mut response = if host.is_some_and(|host| guard.admits(host)) {
        next.run(request).await
    } else {
        let reason = "this server answers to its address and to localhost only";
        (StatusCode::FORBIDDEN, reason).into_response()
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_and_localhost_are_answered() {
        let cases = [
            // host, on this machine alone, on all addresses
            ("127.0.0.1:8000", true, true),
            ("localhost:8000", true, true),
            ("LOCALHOST", true, true),
            ("[::1]:8000", true, true),
            ("192.168.1.7:8000", false, true),
            ("[2001:db8::7]:80", false, true),
            ("rebound.example:8000", false, false),
            ("127.0.0.1.example", false, false),
            ("localhost.example:80", false, false),
            ("", false, false),
        ];
        for (host, here, everywhere) in cases {
            assert_eq!(Guard { loopback: true }.admits(host), here, "{host}");
            assert_eq!(Guard { loopback: false }.admits(host), everywhere, "{host}");
        }
    }
}
