from ipaddress import ip_address

import pytest

from service.errors import CallbackRefusedError
from service.jobs.callback_address import CallbackPolicy, is_public

LISTED = (
    "hooks.example.org",
    "*.apps.example.org",
    "http://plain.example.org",
    "https://other.example.org:8443",
    *("https://[2001:DB8:0::1]:65535", "HTTPS://Upper.example.org."),
)


def check(url: str, *hosts: str) -> str:
    address = CallbackPolicy(hosts or LISTED, ()).check(url)
    return f"{address.scheme} {address.authority} {address.target}"


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("https://hooks.example.org", "https hooks.example.org /"),
        ("https://HOOKS.example.org.:443/a?b=c", "https hooks.example.org /a?b=c"),
        ("https://one.apps.example.org/x", "https one.apps.example.org /x"),
        ("http://plain.example.org/x", "http plain.example.org /x"),
        ("https://other.example.org:8443?x", "https other.example.org:8443 /?x"),
        ("https://[2001:db8::0:1]:65535/x", "https [2001:db8::1]:65535 /x"),
        ("https://upper.example.org/x", "https upper.example.org /x"),
    ],
)
def test_listed_host_is_accepted(url: str, parts: str) -> None:
    assert check(url) == parts


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://hooks.example.org/", "not an allowed host"),
        ("https://hooks.example.org:8443/", "not an allowed host"),
        ("https://apps.example.org/", "not an allowed host"),
        ("https://evilapps.example.org/", "not an allowed host"),
        ("https://hooks.example.org.evil.test/", "not an allowed host"),
        ("https://plain.example.org/", "not an allowed host"),
        ("https://hooks.example.org@evil.test/", "a user name"),
        ("https://hooks.example.org#@evil.test/", "a fragment"),
        ("https://evil.test\\@hooks.example.org/", "characters"),
        ("https://hooks.example.org/\r\nx: y", "characters"),
        ("https://hooks.example.org/ä", "characters"),
        ("https://hooks.example.org:0/", "port 0"),
        ("https://hooks.example.org:99999/", "not an address"),
        ("https://[::1/", "not an address"),
        ("https://[fe80::1%25eth0]/", "a zone"),
        ("ftp://hooks.example.org/", "https://"),
        ("hooks.example.org", "https://"),
        ("https:///x", "https://"),
        ("https://hooks.example.org/" + 2_000 * "a", "characters, the limit"),
    ],
)
def test_other_address_is_refused(url: str, reason: str) -> None:
    with pytest.raises(CallbackRefusedError) as refused:
        check(url)
    assert reason in str(refused.value)


def test_no_host_is_allowed_by_default() -> None:
    with pytest.raises(CallbackRefusedError, match="CAN_JOBS__CALLBACK_HOSTS"):
        CallbackPolicy((), ()).check("https://hooks.example.org/")


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
        ),
        *("224.0.0.1", "239.255.255.250", "233.252.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1"),
        *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "ff0e::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1"),
        *("64:ff9b::7f00:1", "2002:7f00:1::", "2002:808:808::", "2001:0:4136:e378:8000:63bf:3fff:fdd2"),
    ],
)
def test_address_of_no_public_network(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.215.14", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_address(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    ("host", "networks", "selected"),
    [
        ("hooks.example.org", [], ["8.8.8.8"]),
        ("hooks.example.org", ["10.0.0.0/8"], ["10.1.2.3", "::ffff:10.1.2.3", "8.8.8.8"]),
        ("hooks.example.org", ["::1/128"], ["::1", "8.8.8.8"]),
    ],
)
def test_addresses_of_a_name_are_checked_after_resolution(host: str, networks: list[str], selected: list[str]) -> None:
    policy = CallbackPolicy(LISTED, networks)
    resolved = ["10.1.2.3", "::ffff:10.1.2.3", "::1", "8.8.8.8", "not an address"]
    assert [str(each) for each in policy.select(policy.check(f"https://{host}/"), resolved)] == [
        str(ip_address(each)) for each in selected
    ]


def test_listed_ip_address_needs_no_network() -> None:
    policy = CallbackPolicy(["http://127.0.0.1:9000", "http://[::1]:9000", "http://localhost:9000"], ())
    for host, resolved, count in (("127.0.0.1", "127.0.0.1", 1), ("[::1]", "::1", 1), ("localhost", "127.0.0.1", 0)):
        assert len(policy.select(policy.check(f"http://{host}:9000/"), [resolved])) == count


def test_other_forms_of_an_ip_address_are_other_hosts() -> None:
    for url in ("http://2130706433/", "http://0x7f.1/", "http://[::ffff:127.0.0.1]/"):
        with pytest.raises(CallbackRefusedError, match="not an allowed host"):
            check(url, "http://127.0.0.1")
