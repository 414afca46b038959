"""edXML (QCVN 102:2016) between our model and the wire.

Writing is strict: `build` makes one fixed form, as a recipe of literal bytes and references to contents, so that no
attachment is ever held. Reading is liberal: `parse` splits a file as it streams by, taking every root, prefix, order,
spelling and date form that is known from real traffic, and tells what was odd as findings. `check` says what we refuse
to write, `codes` holds the code lists, `sniff` looks at what attachments really are.

Left to others: signatures (`gateway.trust`), what the law asks (`gateway.rules`), all I/O.
"""
