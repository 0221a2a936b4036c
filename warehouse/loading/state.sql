INSERT INTO load_state
SELECT ? AS tables_hash, '' AS views_hash, '' AS dimensions_hash, ? AS public_url, 0 AS loaded_seq,
       TIMESTAMP '1970-01-01' AS loaded_at, 1 AS changes, 0 AS published_changes, NULL AS published_at, 0 AS publish_seconds;
