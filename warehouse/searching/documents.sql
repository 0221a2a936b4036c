-- One document a call; ё and е are one letter, because people write either.
CREATE TABLE documents AS
SELECT call_id, replace(lower(string_agg(text, ' ' ORDER BY utterance_id)), 'ё', 'е') AS text
FROM warehouse.fact_utterance
GROUP BY call_id;
