use super::super::explorer::tests::{small, told};
use super::*;

fn head(method: &str, host: Option<&str>, origin: Option<&str>) -> Head {
    Head {
        method: method.into(),
        path: match method {
            "POST" => "/key/decode".into(),
            _ => "/key/".into(),
        },
        host: host.map(Into::into),
        origin: origin.map(Into::into),
        length: None,
    }
}

fn with_site(test: impl FnOnce(&Site<'_>)) {
    with_site_of(&small(), test);
}

fn with_site_of(explorer: &Explorer, test: impl FnOnce(&Site<'_>)) {
    test(&Site {
        explorer,
        key: "key",
        description: String::new(),
    });
}

/// The path that a request is given, or the status of its refusal.
fn checked(site: &Site<'_>, head: &Head) -> Result<String, u16> {
    let found = site.check(head).map(str::to_owned);
    found.map_err(|refusal| refusal.status)
}

#[test]
fn only_its_own_names_are_answered() {
    with_site(|site| {
        // Its own port, that of a tunnel, and 80, which browsers leave out.
        for host in [
            "127.0.0.1:3526",
            "localhost:3526",
            "LocalHost:3526",
            "127.0.0.1:8080",
            "127.0.0.1",
        ] {
            let given = checked(site, &head("GET", Some(host), None));
            assert_eq!(given, Ok("/".into()), "{host}");
        }
        let others = [
            "evil.example:3526",
            "evil.example",
            "localhost:3526.evil.example",
            "localhost.evil.example:3526",
            "127.0.0.1:",
            "",
        ];
        for host in others.into_iter().map(Some).chain([None]) {
            let refused = checked(site, &head("GET", host, None));
            assert_eq!(refused, Err(403), "{host:?}");
        }
    });
}

#[test]
fn what_computes_is_for_its_own_page() {
    with_site(|site| {
        let from = |origin| checked(site, &head("POST", Some("localhost:3526"), origin));
        assert_eq!(from(Some("http://localhost:3526")), Ok("/decode".into()));
        for origin in [
            "null",
            "http://evil.example",
            "https://localhost:3526",
            "http://localhost:8080",
            "http://127.0.0.1:3526",
        ] {
            assert_eq!(from(Some(origin)), Err(403), "{origin}");
        }
        assert_eq!(from(None), Err(403));
    });
}

#[test]
fn nothing_is_given_without_the_key() {
    with_site(|site| {
        for path in [
            "/", "key/", "/kez/", "/keyy/", "/ke/", "//", "/weights", "", "/KEY/", "/%6bey/",
        ] {
            let head = Head {
                path: path.into(),
                ..head("GET", Some("localhost:3526"), None)
            };
            assert_eq!(checked(site, &head), Err(403), "{path}");
        }
        // The address without its last character leads to it.
        let head = Head {
            path: "/key".into(),
            ..head("GET", Some("localhost:3526"), None)
        };
        assert_eq!(checked(site, &head), Err(308));
    });
    let [a, b] = [key(), key()].map(|key| key.expect("a key"));
    assert!(a != b && a.len() == 32, "{a} {b}");
}

#[test]
fn another_method_is_refused_with_the_one_that_is_taken() {
    with_site(|site| {
        for (method, path, takes) in [
            ("HEAD", "/key/", "GET"),
            ("POST", "/key/weights", "GET"),
            ("GET", "/key/decode", "POST"),
            ("PUT", "/key/encode", "POST"),
        ] {
            let head = Head {
                path: path.into(),
                ..head(method, Some("localhost:3526"), None)
            };
            let Err(refused) = site.check(&head) else {
                panic!("{method} {path} is taken");
            };
            let part = path.trim_start_matches("/key");
            assert_eq!(refused, Response::takes(takes, part), "{method} {path}");
        }
    });
}

#[test]
fn paths_lead_nowhere_else() {
    with_site(|site| {
        assert_eq!(site.get("/").status, 200);
        assert_eq!(site.get("/images/3").body.len(), 6 * 4);
        for path in [
            "/images/4",
            "/images/-1",
            "/images/+3",
            "/images/",
            "/images/../weights",
            "/../Cargo.toml",
            "/%2e%2e/Cargo.toml",
            "//",
            "/index.html",
            "",
        ] {
            assert_eq!(site.get(path).status, 404, "{path}");
        }
    });
}

/// The answer to floats that are sent to a path.
fn post<'a>(site: &'a Site<'_>, path: &str, values: &[f32]) -> Response<'a> {
    site.post(
        Work::of(path).expect("a path that computes"),
        &bytes(values),
    )
}

/// The reason that a request is refused for.
fn refused(site: &Site<'_>, path: &str, values: &[f32]) -> String {
    let response = post(site, path, values);
    assert_eq!(response.status, 400, "{path} {values:?}");
    let found: serde_json::Value = serde_json::from_slice(&response.body).expect("JSON");
    found["error"].as_str().expect("a reason").to_owned()
}

#[test]
fn a_body_that_is_no_image_is_refused_with_its_reason() {
    with_site(|site| {
        let refused = |path: &str, values: &[f32]| refused(site, path, values);
        assert!(refused("/encode", &[0.5; 5]).contains("6 floats"));
        assert!(refused("/encode", &[]).contains("0 bytes"));
        assert!(refused("/encode", &[0.0, 0.0, f32::NAN, 0.0, 0.0, 0.0]).contains("value 2"));
        assert!(refused("/encode", &[2.0; 6]).contains("[0, 1]"));
        assert!(refused("/decode", &[0.5; 3]).contains("2 floats"));
        assert!(refused("/decode", &[f32::INFINITY; 2]).contains("value 0"));
        let encode = Work::of("/encode").expect("a path that computes");
        assert_eq!(site.post(encode, &[0; 7]).status, 400);
        assert_eq!(post(site, "/encode", &[0.5; 6]).body.len(), 2 * 4);
        assert_eq!(post(site, "/decode", &[0.5; 4]).body.len(), 2 * 6 * 4);
    });
}

#[test]
fn a_class_that_is_none_of_the_models_is_refused_with_those_that_are() {
    with_site_of(&told(), |site| {
        for (path, values) in [("/encode", 6), ("/decode", 2)] {
            let values = vec![0.5; values];
            for class in ["", "/", "/2", "/odd", "/-1", "/+1", "/1/1", "/99999999999"] {
                let reason = refused(site, &format!("{path}{class}"), &values);
                assert!(
                    reason.contains("2 classes (even, odd)"),
                    "{class}: {reason}"
                );
            }
            let [even, odd] = ["/0", "/1"].map(|class| {
                let response = post(site, &format!("{path}{class}"), &values);
                assert_eq!(response.status, 200, "{path}{class}");
                response.body
            });
            assert_ne!(even, odd, "{path}");
        }
    });
    with_site(|site| {
        let reason = refused(site, "/decode/0", &[0.5; 2]);
        assert!(reason.contains("not trained with classes"), "{reason}");
    });
}

#[test]
fn a_port_in_use_is_named() {
    let first = Server::bind(0).expect("a free port");
    let Err(error) = Server::bind(first.port) else {
        panic!("the port is taken twice");
    };
    assert_eq!(error.exit_code(), 2);
    let text = error.to_string();
    assert!(text.contains(&format!("`port = {}`", first.port)), "{text}");
    assert!(text.contains("`port = 0`"), "{text}");
}
