-- The tables that the office's database lends to Liên Thông Gateway, for PostgreSQL 12 or newer.
-- Run once, as the owner of the schema. Times are UTC, without a zone. `ddl/other-databases.md` has the types elsewhere.

-- What the office sends. Write the rows, the receivers, attachments and pieces first, then set state = 'ready' last.
CREATE TABLE lt_out_document (
  out_id             VARCHAR(64)  NOT NULL PRIMARY KEY,  -- the office's own id; the same id is the same document for ever
  state              VARCHAR(16)  NOT NULL DEFAULT 'draft',  -- office: draft, ready; gateway: taken, rejected
  claimed_by         VARCHAR(40),                        -- the gateway's, do not touch
  claimed_until      TIMESTAMP,                          -- the gateway's, do not touch
  problem_code       VARCHAR(64),                        -- why rejected; or what to beware of, when taken
  problem_text       TEXT,                               -- one line each: field, [code], sentence
  answered_at        TIMESTAMP,
  act                VARCHAR(10),                        -- empty: a new document; recall, update, replace: an earlier one
  message_id         VARCHAR(64),                        -- with act: a message_id in lt_out_receiver of the earlier one
  reason             VARCHAR(500),                       -- with act: why; told to the receivers
  recall_by          VARCHAR(10),                        -- of a recall: status (or empty), or document: a document of its own
  from_code          VARCHAR(35),                        -- mã định danh of the sending organ
  from_name          VARCHAR(200),
  document_number    VARCHAR(11),                        -- số
  document_notation  VARCHAR(30),                        -- ký hiệu
  promulgation_date  DATE,
  promulgation_place VARCHAR(50),
  type_code          INTEGER,                            -- 1 legal normative, 2 administrative
  type_name          VARCHAR(100),                       -- Công văn, Quyết định, …
  subject            VARCHAR(500),                       -- trích yếu
  summary            VARCHAR(500),
  signer_competence  VARCHAR(50),
  signer_position    VARCHAR(100),
  signer_name        VARCHAR(50),
  due_date           DATE,
  priority           INTEGER,                            -- 0 thường … 4 hỏa tốc hẹn giờ
  document_id        VARCHAR(200),                       -- left empty: made from organ, date, number and notation
  deliver_by         VARCHAR(35),                        -- ISO 8601 with zone; needed with priority 4
  secrecy            VARCHAR(100),                       -- any degree is refused: state secrets do not travel here
  more               TEXT,                               -- JSON object: further fields of the office API's record
  submission_id      VARCHAR(64)                         -- the gateway's name for what it took
);
CREATE INDEX lt_out_document_state ON lt_out_document (state, claimed_until);

CREATE TABLE lt_out_receiver (
  out_id     VARCHAR(64) NOT NULL REFERENCES lt_out_document (out_id),
  n          INTEGER     NOT NULL,                       -- 0, 1, 2, …
  code       VARCHAR(35) NOT NULL,                       -- mã định danh of the receiving organ
  name       VARCHAR(200),
  message_id VARCHAR(64),                                -- the gateway's answer: which message goes to this receiver
  axis       VARCHAR(40),                                -- and on which road
  recall     VARCHAR(10),                                -- of a recall: asked, or withdrawn: it had not left, and never will
  PRIMARY KEY (out_id, n)
);

CREATE TABLE lt_out_attachment (
  out_id       VARCHAR(64)  NOT NULL REFERENCES lt_out_document (out_id),
  n            INTEGER      NOT NULL,
  name         VARCHAR(500) NOT NULL,
  content_type VARCHAR(127),
  description  VARCHAR(500),
  size_bytes   BIGINT       NOT NULL,                    -- checked against what comes
  sha256       VARCHAR(64),                              -- lower-case hex; checked, where given
  file_name    VARCHAR(400),                             -- a file in the shared folder's `out`, instead of pieces
  PRIMARY KEY (out_id, n)
);

CREATE TABLE lt_out_piece (
  out_id VARCHAR(64) NOT NULL,
  n      INTEGER     NOT NULL,                           -- of which attachment
  piece  INTEGER     NOT NULL,                           -- 0, 1, 2, … without a gap
  data   BYTEA       NOT NULL,                           -- at most 8 MiB; 1 MiB is good
  PRIMARY KEY (out_id, n, piece)
);

-- What became, at the office, of a document that it received.
CREATE TABLE lt_out_status (
  report_id        VARCHAR(64) NOT NULL PRIMARY KEY,
  state            VARCHAR(16) NOT NULL DEFAULT 'draft', -- as in lt_out_document
  claimed_by       VARCHAR(40),
  claimed_until    TIMESTAMP,
  problem_code     VARCHAR(64),
  problem_text     TEXT,
  answered_at      TIMESTAMP,
  message_id       VARCHAR(64) NOT NULL,                 -- of lt_in_message
  code             VARCHAR(2)  NOT NULL,                 -- 02 returned (with a reason), 03, 04, 05, 06
  reason           VARCHAR(500),
  organ            VARCHAR(35),                          -- which of the office's organs, where it went to several
  staff_department VARCHAR(200),
  staff_name       VARCHAR(100),
  staff_mobile     VARCHAR(20),
  staff_email      VARCHAR(100),
  status_id        VARCHAR(64)                           -- the gateway's name for the status it took
);
CREATE INDEX lt_out_status_state ON lt_out_status (state, claimed_until);

-- What is for the office: documents, statuses about its own documents, and notices. A row appears when all of it is
-- there. The office may change `state` and delete rows, here and in the three tables after it, as it likes.
CREATE TABLE lt_in_message (
  message_id         VARCHAR(64) NOT NULL PRIMARY KEY,
  event_type         VARCHAR(40) NOT NULL,               -- document.received, status.received, message.rejected, …
  state              VARCHAR(16) NOT NULL DEFAULT 'new', -- the office's own; the gateway writes 'new' and never looks
  received_at        TIMESTAMP   NOT NULL,
  sender_code        VARCHAR(35),
  sender_name        VARCHAR(200),
  document_number    VARCHAR(11),
  document_notation  VARCHAR(30),
  promulgation_date  DATE,
  promulgation_place VARCHAR(50),
  type_code          INTEGER,
  type_name          VARCHAR(100),
  subject            VARCHAR(500),
  summary            VARCHAR(500),
  signer_competence  VARCHAR(50),
  signer_position    VARCHAR(100),
  signer_name        VARCHAR(50),
  due_date           DATE,
  priority           INTEGER,
  document_id        VARCHAR(200),
  business_type      INTEGER,                            -- 0 new, 1 recall, 2 update, 3 replace
  about              VARCHAR(64),                        -- status: submission_id; notice: message_id of the receiver row
  status_code        VARCHAR(16),
  status_text        VARCHAR(500),
  problem_code       VARCHAR(64),                        -- of a notice
  body               TEXT        NOT NULL                -- all of it, uncut, as JSON
);
CREATE INDEX lt_in_message_state ON lt_in_message (state, received_at);

CREATE TABLE lt_in_receiver (
  message_id VARCHAR(64) NOT NULL REFERENCES lt_in_message (message_id),
  n          INTEGER     NOT NULL,
  code       VARCHAR(35) NOT NULL,                       -- those of the office's organs that it is for
  PRIMARY KEY (message_id, n)
);

CREATE TABLE lt_in_attachment (
  message_id   VARCHAR(64)  NOT NULL REFERENCES lt_in_message (message_id),
  n            INTEGER      NOT NULL,
  name         VARCHAR(500) NOT NULL,
  content_type VARCHAR(127),
  description  VARCHAR(500),
  size_bytes   BIGINT       NOT NULL,
  sha256       VARCHAR(64),
  file_name    VARCHAR(400),                             -- inside the shared folder's `in`, where there is one
  PRIMARY KEY (message_id, n)
);

CREATE TABLE lt_in_piece (
  message_id VARCHAR(64) NOT NULL,                       -- no reference: the bytes come before the row that shows them
  n          INTEGER     NOT NULL,
  piece      INTEGER     NOT NULL,
  data       BYTEA       NOT NULL,
  PRIMARY KEY (message_id, n, piece)
);

-- The gateway's memory of what it handed over. Never delete from it: a row gone may be a message come twice.
CREATE TABLE lt_handed (
  message_id VARCHAR(64) NOT NULL PRIMARY KEY,
  attempt    VARCHAR(40) NOT NULL,                       -- whose turn it is to write this message
  handed_at  TIMESTAMP                                   -- empty while it is being written
);
