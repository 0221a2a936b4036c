-- 97.5 % quantile of Student's t by its expansion around the normal one; within 0.01 from 5 degrees of freedom on.
CREATE OR REPLACE MACRO t_quantile(freedom) AS
    1.959964 + 2.372249 / freedom + 2.822493 / pow(freedom, 2) + 2.555720 / pow(freedom, 3);

-- A page of ours at a second of the recording. The base address is filled in when the views are made.
CREATE OR REPLACE MACRO link_to(page, seconds) AS $public_url || page || coalesce('?t=' || floor(seconds)::INTEGER, '');
