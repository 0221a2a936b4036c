-- Beside the database `rop` that POSTGRES_DB makes; Prefect creates the extension pg_trgm in it, which is a trusted one.
CREATE DATABASE prefect OWNER rop;
