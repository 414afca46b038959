"""Who said this, and is it what they said: keys, WS-Security, the edXML signature, receipts.

Pure but for loading keys. Every check is given its reference time and the trust store, makes its own verifier (one
shared by threads accepts forgeries), trusts pinned certificates only, and returns the only thing that may be used:
what the signature covers. What follows from a verdict is the pipeline's business.

    keys             our key pairs and the parties we trust, reread when their files change
    policy           which algorithms, transforms and signers are taken, and who may speak for which organ
    markup           parsing without DTD, canonical bytes
    signature        a `ds:Signature` read strictly and written from a template
    wssecurity       SOAP envelopes: Body and Timestamp
    edxml_signature  edXML files: header, manifest and attachments, line by line
    receipts         signed proof that the other side of a hop holds exactly these bytes
"""
