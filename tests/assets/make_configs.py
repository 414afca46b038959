"""Configurations, one per way of being wrong. Uses nothing of the gateway.

    python tests/assets/make_configs.py DIR      writes them all

`REFUSED` maps a name to (the field that must be named among the problems, its bytes).
"""

import sys
from pathlib import Path

SECRET = "whsec_thisMustNotBePrinted"
AXIS = '[[axis]]\nname = "quoc-gia"\ndriver = "soap"\nsystem_id = "a"\naxis_system_id = "b"\n'
URL = '[axis.options]\nurl = "http://127.0.0.1:9/axis"\n'
OFFICE = '[[office]]\nname = "so"\nadapter = "pull"\norgans = ["000.00.00.H08"]\n'
FILE = "FILE"
"""Stands for the path of the configuration itself."""

REFUSED = {
    "not_toml": (FILE, b"[axis\n"),
    "utf_16": (FILE, "node = 'a'".encode("utf-16")),
    "latin_1": (FILE, "node = 'số à'".encode("cp1258", "ignore")),
    "binary": (FILE, bytes(range(256))),
    "key_twice": (FILE, b'node = "a"\nnode = "b"\n'),
    "table_twice": (FILE, b"[limits]\n[limits]\n"),
    "day_that_does_not_exist": (FILE, f"{AXIS}{URL}[[route]]\norgan='*'\naxis='quoc-gia'\nfrom=2026-02-30\n".encode()),
    "control_character": (FILE, b'node = "a\x01"\n'),
    "deep": (FILE, b"a = " + b"[" * 20_000 + b"]" * 20_000),
    "number_of_5000_digits": (FILE, b"[limits]\nattachments = " + b"9" * 5000 + b"\n"),
    "unknown_key": ("nodee", b'nodee = "a"\n'),
    "unknown_section": ("limitz", b"[limitz]\nattachments = 1\n"),
    "text_for_number": ("limits.attachments", b'[limits]\nattachments = "many"\n'),
    "negative": ("limits.attachments", b"[limits]\nattachments = -1\n"),
    "beyond_64_bits": ("limits.edxml_bytes", b"[limits]\nedxml_bytes = 99999999999999999999999\n"),
    "not_a_number": ("times.lease_seconds", b"[times]\nlease_seconds = nan\n"),
    "infinite": ("times.expires_hours", b"[times]\nexpires_hours = inf\n"),
    "longer_than_time": ("times.expires_hours", b"[times]\nexpires_hours = 1e300\n"),
    "endless_pause": ("times.retry_longest_seconds", b"[times]\nretry_longest_seconds = 1e300\n"),
    "never_polled": ("axis.0.poll_seconds", f"{AXIS}poll_seconds = inf\n{URL}".encode()),
    "port": ("office_api.port", b"[office_api]\nport = 70000\n"),
    "open_to_all": ("office_api", b'[office_api]\nhost = "0.0.0.0"\n'),
    "open_to_all_v6": ("operators", b'[operators]\nhost = "::"\n'),
    "half_tls": ("office_api", b'[office_api]\ncertificate = "a.pem"\n'),
    "name_that_leads_up": ("node", b'node = "../../etc"\n'),
    "office_that_leads_up": ("office.0.name", OFFICE.replace('"so"', '"../so"').encode()),
    "organ_that_leads_up": ("office.0.organs.0", OFFICE.replace("000.00.00.H08", "../H08").encode()),
    "organ_twice": ("office.organs", (OFFICE + OFFICE.replace('"so"', '"hai"')).encode()),
    "office_twice": ("office", (OFFICE + OFFICE.replace("H08", "H09")).encode()),
    "route_to_nowhere": ("route.0.axis", b'[[route]]\norgan = "*"\naxis = "none"\n'),
    "route_with_stars": ("route.0.organ", f"{AXIS}{URL}[[route]]\norgan = '*.*'\naxis = 'quoc-gia'\n".encode()),
    "route_that_ends_before_it_begins": (
        "route.0.until",
        f"{AXIS}{URL}[[route]]\norgan='*'\naxis='quoc-gia'\nfrom=2026-02-01\nuntil=2026-01-01\n".encode(),
    ),
    "reserved_name": ("axis", AXIS.replace("quoc-gia", "local").encode()),
    "secret_as_value": ("secret", f'secret = "{SECRET}"\n'.encode()),
    "secret_in_section": ("office.0.secret", f'{OFFICE}secret = "{SECRET}"\n'.encode()),
    "scanner_elsewhere": ("antivirus.clamd", b'[antivirus]\nclamd = "clamav.example:3310"\n'),
    "scanner_without_port": ("antivirus.clamd", b'[antivirus]\nclamd = "127.0.0.1"\n'),
    "scanner_with_path": ("antivirus.clamd", b'[antivirus]\nclamd = "127.0.0.1:3310/x"\n'),
    "scanner_with_impossible_port": ("antivirus.clamd", b'[antivirus]\nclamd = "127.0.0.1:99999"\n'),
    "lease_shorter_than_call": (
        "times.longest_call_seconds",
        b"[times]\nlease_seconds = 1\nlongest_call_seconds = 5\n",
    ),
}


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name, (_, data) in REFUSED.items():
        (folder / f"{name}.toml").write_bytes(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
