"""How much may come in: every bound in one place, as docs/access.md lists them."""

JSON_BYTES = 4_000_000
"""Of a JSON body; an outcome file of the largest allowed length fits in."""
JSON_DEPTH = 64
"""Levels of lists and objects inside one another in a JSON body."""
JSON_FIELDS = 20_000
"""Fields of all objects of a JSON body together; each that nobody knows would leave an error."""
JSON_LISTS = 20_000
"""Lists and objects of a JSON body together: each costs the reader an object that Python's garbage collector visits."""
JSON_ELEMENTS = 1_020_000
"""Elements of all lists, and fields, of a JSON body together: as many as SEEDS, and the fields beside them."""
UPLOAD_BYTES = 200_000_000
"""Of an uploaded file."""
UPLOAD_FILES = 16
"""Uploaded files of the page that wait to be used at once; the oldest goes when another comes."""
UPLOAD_OVERHEAD = 10_000
"""Bytes that a multipart body may have around its file."""
TEXT_CHARACTERS = 10_000
"""Of one text a person types on the page."""
HEADER_BYTES = 65_536
"""Of the headers of a request."""
HEADER_SECONDS = 10.0
"""Until the headers of a request have arrived."""
BODY_SECONDS = 30.0
"""Until a JSON body has arrived."""
UPLOAD_SECONDS = 600.0
"""Until an uploaded file has arrived."""
CONNECTIONS = 256
"""Open at once; more are closed without an answer."""
TABLE_ROWS = 10_000_000
"""Of a table somebody brings."""
TABLE_COLUMNS = 1_000
"""Of a table somebody brings; only those that are needed are read."""
TABLE_BYTES = 500_000_000
"""Of a Parquet table somebody brings, once its needed columns are uncompressed."""
LINE_BYTES = 1_000_000
"""Of one row of a CSV or JSON lines file somebody brings."""
VALUE_CHARACTERS = 1_000
"""Of one value in a table somebody brings."""
SEEDS = 1_000_000
"""Users in a list to find others like them."""
