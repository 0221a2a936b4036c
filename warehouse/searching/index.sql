PRAGMA create_fts_index('documents', 'call_id', 'text', stemmer = 'russian', stopwords = 'none', strip_accents = 0, ignore = '[^\pL\pN]+');
