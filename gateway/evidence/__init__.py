"""Evidence: what became of one message, in one file that anybody can check without us.

A bundle is a zip. `bundle` says what lies in it and reads it as what it is, a stranger's file; `facts` holds its
manifest; `chain` ties the message's journal entries to the signed blocks; `enclosed` reads the certificates, `signers` knows whose certificate is whose;
`stamped` reads head and timestamps; `pdfs` looks at the signatures in PDFs; `verifier` goes over it claim by claim and says proven, not proven, or false; `summary` and `words` say it to people.

    manifest.json                      every file with its SHA-256; what the message is
    tom-tat.txt                        the same for people, in Vietnamese; made from the manifest, and checked against it
    document.edxml                     the exact bytes that were sent or received; absent where they were purged
    receipts/NN-KIND.xml               signed receipts of both hops; `.bin`: an axis's unsigned reply, as it came
    statuses/MESSAGE.edxml             the statuses heard about it, or given by us
    certificates/SYSTEM/SHA256.pem     of everybody who signed; `.crl`: the lists at hand of what their issuers revoked
    journal/entries.json, blocks.json  the message's chain, its Merkle paths, and the blocks up to the newest
    journal/head.json, head.tsr        the journal's head over these blocks, as it was written outside, and its timestamp
    verdicts.json                      what the gateway's checks said when it came, as the chained entries have it
    pdf-reports.json                   what was found of the signatures in its PDFs
    revocation/SHA256.crl, .ocsp       the fetched answers that this rests on
    timestamp.tsr                      RFC 3161 token over the manifest, which names all the rest by digest

Nothing here reads anything but the bundle and the trust roots it is given; the readable detail of journal entries is
not in it.
"""
