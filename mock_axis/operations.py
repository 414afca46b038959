"""What the axis does for each operation of `axis.wsdl`, once it knows who asks.

Each operation decides, has the mailbox act and remember the request in one commit, and returns the fields of its
reply; HTTP, envelopes and signatures of requests and replies are the server's. `taking` keeps what systems hand in,
`giving` gives it out, what is only looked up is here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

from mock_axis import mailbox, wssecurity
from mock_axis.calls import Answer, Call, Desk
from mock_axis.edxml_reading import BadForm
from mock_axis.giving import Giving
from mock_axis.soap import AxisFault, element, field, get
from mock_axis.taking import Taking


class Operations:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.taking, self.giving = Taking(desk), Giving(desk)
        self._by_name = {
            "SendDocument": self.taking.send,
            "UpdateTraces": self.taking.send,
            "SendTogether": self.taking.send_together,
            "FindMessage": self.taking.find,
            "GetPendingDocumentIds": self.giving.pending,
            "GetDocument": self.giving.item,
            "ConfirmReceived": self.giving.confirm,
            "GetTraces": self._traces,
            "CheckPermission": self._permission,
            "GetOrganizations": self._organizations,
        }

    @property
    def system(self) -> str:
        return self._desk.system

    @property
    def xop(self) -> bool:
        return self._desk.switches.xop

    @property
    def names(self) -> Collection[str]:
        return self._by_name.keys()

    async def answer(self, call: Call) -> Answer:
        """Raises `AxisFault`."""
        try:
            return await self._by_name[call.operation](call)
        except mailbox.Replayed:
            raise AxisFault("Replayed", "this request was answered before") from None
        except AxisFault:
            await self._remember(call)
            raise
        except BadForm as exc:
            await self._remember(call)
            raise AxisFault("BadForm", f"the edXML file: {exc}") from None

    async def _remember(self, call: Call) -> None:
        """A refused request is not to be tried again under the same id either."""
        if call.remembered:
            return
        try:
            await self._desk.perform(call, lambda _: None)
        except mailbox.Replayed:
            raise AxisFault("Replayed", "this request was answered before") from None

    async def _traces(self, call: Call) -> Answer:
        document_id = get(call.element, "DocumentId")
        party = self._desk.trust.parties[call.system]
        statuses = await self._desk.perform(call, lambda tx: mailbox.statuses_of(tx, document_id))
        traces = [
            field("OrganId", status.sender)
            + field("StatusCode", status.status_code)
            + field("Description", status.description)
            + field("Timestamp", wssecurity.zulu(dt.datetime.fromtimestamp(status.at, dt.UTC)))
            for status in statuses
            if all(party.speaks_for(organ) for organ in status.to)
        ]
        return Answer("".join(element("Trace", trace) for trace in traces))

    async def _permission(self, call: Call) -> Answer:
        await self._desk.perform(call, lambda _: None)
        allowed = self._desk.trust.parties[call.system].speaks_for(get(call.element, "OrganId"))
        return Answer(field("Allowed", "true" if allowed else "false"))

    async def _organizations(self, call: Call) -> Answer:
        await self._desk.perform(call, lambda _: None)
        organs = dict(self._desk.agencies.names)
        for party in self._desk.trust.parties.values():
            organs |= {organ: organ for organ in party.organs if "*" not in organ and organ not in organs}
        lines = (field("OrganId", code) + field("OrganName", name) for code, name in organs.items())
        return Answer("".join(element("Organization", line) for line in lines))
