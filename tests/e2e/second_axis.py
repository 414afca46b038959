"""A second axis beside the first: its own process, keys and trust, and one agency behind it."""

import json

from cryptography import x509

from mock_axis import pki
from mock_axis.scene import Scene
from tests.e2e.stage import FINANCE

REFUSED = "000.00.00.G97"
"""Routed to the second axis, which knows no such organ."""


class SecondAxis:
    """`before` for `on_stage`: makes and starts it, and makes gateway and axis known to each other."""

    def __init__(self, folder):
        self.scene = Scene(folder, every_seconds=0.3)

    def config(self):
        section = {
            "name": "tinh",
            "driver": "soap",
            "system_id": pki.GATEWAY,
            "axis_system_id": pki.AXIS,
            "poll_seconds": 0.1,
        }
        lines = ["[[axis]]", *(f"{name} = {json.dumps(value)}" for name, value in section.items())]
        lines += ["[axis.options]", f'url = "{self.scene.axis_url}"']
        for organ in (FINANCE, REFUSED):
            lines += ["[[route]]", f'organ = "{organ}"', 'axis = "tinh"']
        return "\n".join(lines)

    async def __call__(self, first):
        made = pki.make(self.scene.pki.root)
        known = first.pki.gateway_trust()
        pki.vouch(made.axis_trust, pki.GATEWAY, _only(first.pki.gateway_keys()))
        pki.vouch(known, pki.AXIS, _only(made.axis_keys))
        pki.vouch(known, FINANCE, _only(made.agency_keys(FINANCE)))
        await self.scene.start_axis()
        return self.scene.stop


def _only(keys):
    (path,) = keys.glob("*.crt.pem")
    return x509.load_pem_x509_certificate(path.read_bytes())
