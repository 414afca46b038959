"""A document's journey, from the office's hand to the proof and back.

**Out.** An office hands in a record and its files, over the office API or a folder. `intake` makes every check that
can be made at the door, so that what cannot travel is refused at once, with reasons; then the bytes go to contents;
`outgoing.packed` builds the edXML file, signs it and freezes it as a recipe; then one message per axis goes into the
journal, and only then does the office get its answer. (What is large is packed afterwards, by the stage `pack`.) From here
the journal owns the message, and `runner` takes it from stage to stage: `outgoing.send` hands it to the axis and keeps the
axis's signed receipt if it matches what was really sent in every field. The last answer closes the message in its own
transaction; `outgoing.chase` closes it when the wait is over.

**In.** A `loops.Poller` lists what an axis holds for us, and `arrivals` enters each item as announced; nothing is consumed
by listing. `incoming.fetch` streams the file into contents, compares it with what the transport vouched for, takes it
apart, and freezes our receipt in the same transaction; what came with the list itself is received so at once.
`incoming.confirm` gives the axis that receipt; `examine` checks the edXML signature and gives what came to
`documents_received` or `statuses_heard`. `handing.hand_over` gives the document to each of our offices that owns a receiver,
and when an office has it, status 01 of each of its organs is born as a message of its own and takes the road out. A
status about our document settles its delivery and goes on to the office that sent it.

**Inside.** Between two of our own offices `local_axis` stands in for an axis: the same stages, receipts and statuses.

**When things go wrong.** A stage returns an `Outcome` or raises an error whose class says what follows (see
`gateway.errors` and `runner`). What a stage did with somebody outside is written before anything else is begun; a stage that
only thinks is done with the one before it, and both are written together. Whatever must survive is a message: a receipt owed is the state `received`, a status
owed and a rejection an office must hear are rows with a road of their own. A stage never calls another; they meet in
the journal only. People act through `acts`, offices through `office_acts`.
"""
