-- The first shape of the database. Applied once; PRAGMA user_version counts what has been applied.

-- Everything that is remembered, as sealed and authenticated bytes.
CREATE TABLE records (
  seq      INTEGER PRIMARY KEY AUTOINCREMENT,
  kind     TEXT    NOT NULL,
  id       TEXT    NOT NULL,
  scope    INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  due      INTEGER,
  bytes    BLOB    NOT NULL
) STRICT;
CREATE UNIQUE INDEX records_by_id ON records (kind, id);
CREATE INDEX records_by_due ON records (kind, due) WHERE due IS NOT NULL;

-- Scopes by number, so that an index entry need not repeat the name.
CREATE TABLE scopes (
  number INTEGER PRIMARY KEY,
  name   TEXT NOT NULL UNIQUE
) STRICT;

-- What records can be found by. The key is the whole row, newest record last.
CREATE TABLE terms (
  kind  TEXT    NOT NULL,
  scope INTEGER NOT NULL,
  term  BLOB    NOT NULL,
  seq   INTEGER NOT NULL,
  PRIMARY KEY (kind, scope, term, seq)
) STRICT, WITHOUT ROWID;

-- Terms that one record of a scope has for itself: names.
CREATE TABLE claims (
  kind  TEXT    NOT NULL,
  scope INTEGER NOT NULL,
  term  BLOB    NOT NULL,
  seq   INTEGER NOT NULL,
  PRIMARY KEY (kind, scope, term)
) STRICT, WITHOUT ROWID;

-- The tree that says which revision of every record is the last: see ledger.ts.
CREATE TABLE ledger (
  page  INTEGER PRIMARY KEY,
  bytes BLOB NOT NULL
) STRICT;

-- Data keys, sealed by the root key that root_name in meta names.
CREATE TABLE data_keys (
  number INTEGER PRIMARY KEY,
  sealed BLOB NOT NULL
) STRICT;

CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The audit trail; each entry is chained to the one before it.
CREATE TABLE audit (
  seq       INTEGER PRIMARY KEY AUTOINCREMENT,
  time      INTEGER NOT NULL,
  last      INTEGER NOT NULL,
  count     INTEGER NOT NULL,
  principal TEXT NOT NULL,
  front     TEXT NOT NULL,
  operation TEXT NOT NULL,
  object    TEXT,
  outcome   TEXT NOT NULL,
  detail    TEXT,
  chain     BLOB NOT NULL
) STRICT;
CREATE INDEX audit_by_object ON audit (object, seq) WHERE object IS NOT NULL;
