CREATE OR REPLACE VIEW sla AS
WITH
answered AS (
    SELECT call_id, day, min(delivered_at) AS delivered_at, bool_and(delivered_at IS NOT NULL) AS is_complete
    FROM fact_delivery
    GROUP BY call_id, day
),
timed AS (
    SELECT
        c.received_at::DATE AS day,
        c.status,
        d.call_id IS NOT NULL AS is_expected,
        coalesce(d.is_complete, false) AS is_complete,
        epoch(c.finished_at - c.received_at) AS processing,
        epoch(d.delivered_at - c.received_at) AS delivery
    FROM fact_call c
    LEFT JOIN answered d ON d.call_id = c.call_id AND d.day = c.day
)
SELECT
    day,
    count(*) AS calls,
    count(*) FILTER (status = 'failed') AS failed,
    round(quantile_cont(processing, 0.5), 1) AS processing_p50,
    round(quantile_cont(processing, 0.95), 1) AS processing_p95,
    count(*) FILTER (is_expected) AS expected,
    count(*) FILTER (is_complete) AS delivered,
    round(quantile_cont(delivery, 0.5), 1) AS delivery_p50,
    round(quantile_cont(delivery, 0.95), 1) AS delivery_p95,
    round(max(delivery), 1) AS delivery_max
FROM timed
GROUP BY day
ORDER BY day;

COMMENT ON VIEW sla IS 'Сколько проходит от приёма звонка до ответа 200 на уведомление, по дням приёма (UTC). // Time from the receipt of a call to the 200 answer to its webhook, by day of receipt (UTC).';
COMMENT ON COLUMN sla.day IS 'День приёма, UTC. // Day of receipt, UTC.';
COMMENT ON COLUMN sla.calls IS 'Звонков. // Calls.';
COMMENT ON COLUMN sla.failed IS 'Из них не обработано. // How many of them failed.';
COMMENT ON COLUMN sla.processing_p50 IS 'Медиана обработки, секунды. // Median processing time, seconds.';
COMMENT ON COLUMN sla.processing_p95 IS '95-й процентиль обработки, секунды. // 95th percentile of processing time, seconds.';
COMMENT ON COLUMN sla.expected IS 'Звонков, о которых отправляются уведомления. // Calls that have webhooks.';
COMMENT ON COLUMN sla.delivered IS 'Из них доставлены все уведомления. // Of those, all webhooks delivered.';
COMMENT ON COLUMN sla.delivery_p50 IS 'Медиана от приёма до первого доставленного уведомления, секунды. // Median time from receipt to the first delivered webhook, seconds.';
COMMENT ON COLUMN sla.delivery_p95 IS '95-й процентиль того же, секунды. // 95th percentile of the same, seconds.';
COMMENT ON COLUMN sla.delivery_max IS 'Наибольшее время, секунды. // Longest time, seconds.';
