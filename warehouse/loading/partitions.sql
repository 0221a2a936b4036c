-- A report of a month reads the Parquet files of that month alone.
ALTER TABLE fact_call SET PARTITIONED BY (year(day), month(day));
ALTER TABLE fact_utterance SET PARTITIONED BY (year(day), month(day));
ALTER TABLE fact_checklist SET PARTITIONED BY (year(day), month(day));
ALTER TABLE fact_stage SET PARTITIONED BY (year(day), month(day));
ALTER TABLE fact_table SET PARTITIONED BY (year(day), month(day));
ALTER TABLE fact_table_value SET PARTITIONED BY (year(day), month(day));
ALTER TABLE fact_delivery SET PARTITIONED BY (year(day), month(day));
