"""What the gateway asks of the world beside axes and offices: timestamps, whether a certificate was revoked, and whether a
file carries a virus.

Only carrying bytes, within limits of size and time; what an answer proves is judged in `gateway.trust` and
`gateway.pipeline`.
"""
