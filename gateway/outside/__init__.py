"""What the gateway asks of the world beside axes and offices: timestamps, and whether a certificate was revoked.

Only carrying bytes, within limits of size and time; what an answer proves is judged in `gateway.trust`.
"""
