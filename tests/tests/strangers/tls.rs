//! TLS on every port, as `curl`, `openssl` and Python meet it; and what a client without TLS is
//! told, from this machine and from another.

use crate::http::Curl;
use crate::tools::{python, said};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;
use tillway_tests::bench::TestBench;
use tillway_tests::faults::elsewhere::Elsewhere;

fn authority(bench: &TestBench) -> PathBuf {
    bench.server.data().join("tls/authority.pem")
}

/// What `curl` ends with, and the status that it got.
fn curl(mut command: Command, arguments: &[&str]) -> (Option<i32>, String) {
    command.args(["-q", "--noproxy", "*", "--silent", "--max-time", "60", "--output", "/dev/null"]);
    let ended = command.args(["--write-out", "%{http_code} %{redirect_url}"]).args(arguments).output().unwrap();
    (ended.status.code(), String::from_utf8_lossy(&ended.stdout).trim().to_owned())
}

#[test]
fn every_port_speaks_tls_to_who_trusts_the_authority_and_to_nobody_who_does_not() {
    let bench = TestBench::start().unwrap();
    let (ports, authority) = (bench.server.ports, authority(&bench).display().to_string());
    for (port, path, status) in [(ports.rest, "/health", "200"), (ports.web, "/login", "200"), (ports.aif, "/", "404")]
    {
        for host in ["127.0.0.1", "localhost"] {
            let url = format!("https://{host}:{port}{path}");
            for most in ["1.3", "1.2"] {
                let told = curl(Command::new("/usr/bin/curl"), &["--cacert", &authority, "--tls-max", most, &url]);
                assert_eq!(told, (Some(0), status.to_owned()), "{url} {most}");
            }
            let untrusting = curl(Command::new("/usr/bin/curl"), &[&url]);
            assert_eq!(untrusting.0, Some(60), "{url}: curl's word for a certificate that it does not trust");
            let oldest = curl(Command::new("/usr/bin/curl"), &["--cacert", &authority, "--tls-max", "1.1", &url]);
            assert_ne!(oldest.0, Some(0), "{url}");
        }
    }
    // The sales service speaks HTTP/2; whoever asks for it by name gets it.
    let mut openssl = Command::new("/usr/bin/openssl");
    openssl.args(["s_client", "-connect", &format!("127.0.0.1:{}", ports.sales), "-alpn", "h2", "-CAfile", &authority]);
    openssl.args(["-verify_return_error", "-verify_ip", "127.0.0.1", "-x509_strict"]);
    let told = said(openssl);
    assert!(told.contains("Verify return code: 0 (ok)") && told.contains("ALPN protocol: h2"), "{told}");

    let [rest, web] = [ports.rest, ports.web].map(|port| port.to_string());
    let told: Value = serde_json::from_str(&said(python("tls.py", [&authority, "127.0.0.1", &rest, &web]))).unwrap();
    // The page has no /health.
    let seen = |port: u16, version: &str, status: &str| json!({"port": port, "version": version, "status": status});
    let expected = [
        seen(ports.rest, "TLSv1.3", "200"),
        seen(ports.rest, "TLSv1.2", "200"),
        seen(ports.web, "TLSv1.3", "404"),
        seen(ports.web, "TLSv1.2", "404"),
    ];
    assert_eq!(told["seen"], json!(expected));
    let stands = Curl::admin(&bench, ports.rest).json(&["/api/v1/tls"]);
    assert_eq!(stands["authorities"][0]["fingerprint"], told["authority"], "{stands}");
    let days = |name: &str| {
        let all = stands["certificates"].as_array().unwrap();
        all.iter().find(|one| one["name"] == name).map(|one| one["days_left"].as_i64().unwrap())
    };
    assert!(matches!(days("server"), Some(89..=90)) && matches!(days("broker"), Some(89..=90)), "{stands}");
}

#[test]
fn from_another_machine_a_port_that_is_not_open_takes_tls_alone_and_says_so() {
    let Some(elsewhere) = Elsewhere::new().unwrap() else {
        eprintln!("no other machine can be had here: not root; nothing is tested");
        return;
    };
    let here = elsewhere.here;
    let free = || tillway_tests::ports::free_port().unwrap();
    let (aif, web) = (free(), free());
    let [aif_at, web_at] = [aif, web].map(|port| format!("\"0.0.0.0:{port}\""));
    let names = format!("[\"{here}\"]");
    let bench = TestBench::start_with(&[
        ("aif.listen", aif_at.as_str()),
        ("web.listen", web_at.as_str()),
        ("tls.names", names.as_str()),
    ])
    .unwrap();
    let authority = authority(&bench).display().to_string();
    let ask = |arguments: &[&str]| curl(elsewhere.command("/usr/bin/curl"), arguments);
    let plain = |port: u16, path: &str| ask(&[&format!("http://{here}:{port}{path}")]);
    assert_eq!(plain(aif, "/aifexchange/loaddicts").1, "426");
    assert_eq!(plain(web, "/?lang=en"), (Some(0), format!("308 https://{here}:{web}/?lang=en")));
    assert_eq!(ask(&["--data", "x", &format!("http://{here}:{web}/aside")]).1, "426");
    let told = |language: &str| {
        let mut command = elsewhere.command("/usr/bin/curl");
        command.args([
            "-q",
            "--silent",
            "-H",
            &format!("accept-language: {language}"),
            &format!("http://{here}:{aif}/"),
        ]);
        said(command)
    };
    assert!(
        told("en").contains("aif.plain") && told("ru").contains("используйте https"),
        "{} {}",
        told("en"),
        told("ru")
    );
    for (port, path, status) in [(aif, "/", "404"), (web, "/login", "200")] {
        let answer = ask(&["--cacert", &authority, &format!("https://{here}:{port}{path}")]);
        assert_eq!(answer, (Some(0), status.to_owned()));
        let here_plain = curl(Command::new("/usr/bin/curl"), &[&format!("http://{here}:{port}{path}")]);
        assert_eq!(here_plain.1, status, "from this machine itself plain is taken");
    }
}
