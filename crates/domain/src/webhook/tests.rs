use std::net::IpAddr;

use super::*;

fn policy() -> DestinationPolicy {
    DestinationPolicy::default()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn addresses_that_are_not_public_are_refused_in_every_spelling() {
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "127.0.0.1.",
        "0",
        "0.0.0.0",
        "%31%32%37.0.0.1",
        "１２７.0.0.1",
        "10.1.2.3",
        "0xa.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "3232235521",
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "100.64.0.1",
        "100.127.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.7",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "[::]",
        "[::1]",
        "[::127.0.0.1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:a9fe:a9fe]",
        "[::ffff:0:127.0.0.1]",
        "[64:ff9b::10.0.0.1]",
        "[64:ff9b::a9fe:a9fe]",
        "[64:ff9b:1::8.8.8.8]",
        "[2002:7f00:1::]",
        "[2002:808:808::]",
        "[2001::1]",
        "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
        "[2001:db8::1]",
        "[3fff::1]",
        "[5f00::1]",
        "[100::1]",
        "[fc00::1]",
        "[fd12:3456::1]",
        "[fe80::1]",
        "[fec0::1]",
        "[ff02::1]",
    ] {
        let refused = policy().destination(&format!("https://{host}/hook"));
        assert!(refused.is_err(), "{host}: {refused:?}");
    }
}

#[test]
fn public_addresses_and_names_are_permitted() {
    for host in
        ["8.8.8.8", "134744072", "172.15.0.1", "172.32.0.1", "100.63.0.1", "[2606:4700::1111]", "[64:ff9b::8.8.8.8]"]
    {
        policy().destination(&format!("https://{host}/hook")).unwrap();
    }
    let named = policy().destination("https://Hooks.Example.com/in?key=1").unwrap();
    assert_eq!((named.host().as_str(), named.literal(), named.port()), ("hooks.example.com", None, 443));
    assert_eq!((named.target(), named.authority(), named.is_tls()), ("/in?key=1", "hooks.example.com", true));
    assert_eq!(policy().destination("https://[2606:4700::1111]").unwrap().host(), "2606:4700::1111");
}

#[test]
fn a_name_is_permitted_only_with_all_of_its_addresses() {
    assert_eq!(policy().permit([address("8.8.8.8"), address("2606:4700::1111")]), Ok(()));
    assert_eq!(policy().permit([address("8.8.8.8"), address("10.0.0.1")]), Err(Forbidden));
    assert_eq!(policy().permit([address("::ffff:127.0.0.1")]), Err(Forbidden));
    assert_eq!(policy().permit([]), Err(Forbidden));
}

#[test]
fn what_else_an_address_must_not_have_is_refused() {
    for (text, problem) in [
        ("http://example.com", "is not https"),
        ("ftp://example.com", "is not https"),
        ("file:///etc/passwd", "is not https"),
        ("//example.com", "is no address"),
        ("https://", "is no address"),
        ("https://1.2.3.4.5.6/", "is no address"),
        ("https://user@example.com", "carries a user name or password"),
        ("https://:secret@example.com", "carries a user name or password"),
        ("https://8.8.8.8@127.0.0.1", "carries a user name or password"),
        ("https://example.com/#part", "has a fragment"),
        ("https://example.com:8443/", "names a port that is not permitted"),
        ("https://example.com:22/", "names a port that is not permitted"),
    ] {
        assert_eq!(policy().destination(text).unwrap_err().problem, problem, "{text}");
    }
    let long = format!("https://example.com/{}", "x".repeat(2_048));
    assert_eq!(policy().destination(&long).unwrap_err().problem, "is too long");
}

#[test]
fn an_operator_permits_http_ports_and_networks() {
    let permitted = DestinationPolicy {
        allow_http: true,
        ports: vec![80, 443],
        networks: vec!["10.20.0.0/16".parse().unwrap(), "fd00::/8".parse().unwrap()],
    };
    permitted.destination("http://10.20.1.1/hook").unwrap();
    permitted.destination("https://[fd00::5]/hook").unwrap();
    permitted.destination("https://[::ffff:10.20.1.1]/hook").unwrap();
    for text in ["http://10.21.1.1/", "http://127.0.0.1/", "https://[fe80::5]/", "https://[64:ff9b::10.20.1.1]/"] {
        assert!(permitted.destination(text).is_err(), "{text}");
    }
}

#[test]
fn a_threshold_is_crossed_between_below_and_not_below() {
    use Direction::{Both, Falling, Rising};
    for (previous, score, wanted, crossed) in [
        (Some(79), 80, Rising, Some(Rising)),
        (Some(80), 81, Rising, None),
        (Some(79), 80, Falling, None),
        (Some(80), 79, Falling, Some(Falling)),
        (Some(80), 79, Rising, None),
        (Some(80), 79, Both, Some(Falling)),
        (Some(10), 79, Both, None),
        (None, 80, Rising, Some(Rising)),
        (None, 79, Both, None),
        (None, 80, Falling, None),
    ] {
        assert_eq!(crossing(previous, score, 80, wanted), crossed, "{previous:?} {score} {wanted:?}");
    }
}
