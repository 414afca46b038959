"""Liên Thông Gateway: documents between an e-office and the national document axis, proven at every hop.

Start with `gateway.pipeline`, whose docstring tells a document's journey; `gateway.app` puts the parts together.
"""
