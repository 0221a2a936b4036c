WITH
stems AS (SELECT list_distinct(list_transform($terms, term -> stem(term, 'russian'))) AS wanted),
indexed AS (
    SELECT call_id, fts_main_documents.match_bm25(call_id, $words, conjunctive := 1) AS score FROM documents
),
ranked AS (
    SELECT i.call_id, c.day, i.score
    FROM indexed i JOIN warehouse.fact_call c USING (call_id)
    WHERE i.score IS NOT NULL AND c.day BETWEEN $since AND $until
    ORDER BY i.score DESC LIMIT $count
),
fresh AS (
    SELECT u.call_id, u.day, NULL::DOUBLE AS score
    FROM warehouse.fact_utterance u, stems
    WHERE u.day BETWEEN $since AND $until AND u.call_id NOT IN (SELECT call_id FROM documents)
    GROUP BY u.call_id, u.day
    HAVING list_has_all(
        list_distinct(flatten(list(list_transform(
            regexp_extract_all(replace(lower(u.text), 'ё', 'е'), '[\pL\pN]+'), word -> stem(word, 'russian'))))),
        any_value(stems.wanted))
    ORDER BY u.day DESC LIMIT $count
),
found AS (FROM fresh UNION ALL FROM ranked),
said AS (
    SELECT
        u.call_id, u.speaker, u.start_seconds, u.text, u.utterance_id,
        len(list_intersect(
            list_transform(regexp_extract_all(replace(lower(u.text), 'ё', 'е'), '[\pL\pN]+'), word -> stem(word, 'russian')),
            stems.wanted)) AS matched
    FROM warehouse.fact_utterance u JOIN found f ON f.call_id = u.call_id AND f.day = u.day, stems
),
best AS (
    SELECT call_id, unnest(arg_max({'speaker': speaker, 'seconds': start_seconds, 'text': text}, (matched, -utterance_id)))
    FROM said GROUP BY call_id
)
SELECT f.call_id, c.started_local, coalesce(m.full_name, c.manager_id), b.speaker, b.seconds, b.text, f.score
FROM found f
JOIN best b ON b.call_id = f.call_id
JOIN warehouse.fact_call c ON c.call_id = f.call_id AND c.day = f.day
LEFT JOIN warehouse.dim_manager m ON m.manager_id = c.manager_id
ORDER BY f.score IS NULL DESC, f.score DESC, c.started_at DESC
LIMIT $count;
