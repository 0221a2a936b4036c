-- Fewer and larger files, then goodbye to what no snapshot in use needs any more; {keep} is the age in seconds that is spared.
CALL ducklake_rewrite_data_files('warehouse', delete_threshold => 0.2);
CALL ducklake_merge_adjacent_files('warehouse');
CALL ducklake_expire_snapshots('warehouse', older_than => now() - to_seconds({keep}));
CALL ducklake_cleanup_old_files('warehouse', older_than => now() - to_seconds({keep}));
CALL ducklake_delete_orphaned_files('warehouse', older_than => now() - to_seconds({keep}));
