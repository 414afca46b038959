"""A national axis to try every promise on: server, mailboxes, central agencies, faults and throw-away certificates.

A request's journey: `server` takes it off the wire (`soap`), `wssecurity` proves who speaks, `operations` decides and
`mailbox` makes it durable, in one group-committed unit, before the answer is signed and leaves. `agencies` register
what reaches them and answer with statuses; `faults` spoil replies on purpose; `control` lets a test look and steer.

It shares only `schemas` with the gateway: two independent readings of one contract.
"""
