CREATE OR REPLACE MACRO talk_metrics_between(since, until) AS TABLE
SELECT
    c.manager_id,
    coalesce(any_value(m.full_name), c.manager_id) AS manager,
    count(*) AS n,
    round(avg(c.duration), 1) AS duration,
    round(100 * sum(c.manager_seconds) / nullif(sum(c.manager_seconds + c.customer_seconds), 0), 1) AS talk_share,
    round(100 * sum(c.silence_seconds) / nullif(sum(c.duration), 0), 1) AS silence_share,
    round(60 * sum(c.manager_words) / nullif(sum(c.manager_seconds), 0), 0) AS words_per_minute,
    round(avg(c.longest_monologue), 1) AS longest_monologue,
    round(avg(c.manager_questions), 1) AS questions,
    round(avg(c.interruptions), 2) AS interruptions,
    round(60 * sum(c.speaker_switches) / nullif(sum(c.duration), 0), 1) AS switches_per_minute
FROM fact_call c
LEFT JOIN dim_manager m USING (manager_id)
WHERE c.status = 'done' AND c.utterances > 0 AND c.day BETWEEN since AND until
GROUP BY c.manager_id;

CREATE OR REPLACE VIEW talk_metrics AS
FROM talk_metrics_between(DATE '0001-01-01', DATE '9999-12-31')
ORDER BY n DESC, manager_id;

COMMENT ON VIEW talk_metrics IS 'Как менеджеры разговаривают, за всё время; за период — talk_metrics_between(с, по). // How managers talk, over all time; for a period, talk_metrics_between(since, until).';
COMMENT ON COLUMN talk_metrics.manager_id IS 'Менеджер. // Manager.';
COMMENT ON COLUMN talk_metrics.manager IS 'Имя менеджера. // Name of the manager.';
COMMENT ON COLUMN talk_metrics.n IS 'Звонков с речью. // Calls with speech.';
COMMENT ON COLUMN talk_metrics.duration IS 'Средняя длительность, секунды. // Mean length, seconds.';
COMMENT ON COLUMN talk_metrics.talk_share IS 'Доля речи менеджера в речи обоих, 0–100. // Share of the manager in the speech of both, 0–100.';
COMMENT ON COLUMN talk_metrics.silence_share IS 'Доля тишины в разговоре, 0–100. // Share of silence in the conversation, 0–100.';
COMMENT ON COLUMN talk_metrics.words_per_minute IS 'Темп речи менеджера, слов в минуту. // Pace of the manager, words a minute.';
COMMENT ON COLUMN talk_metrics.longest_monologue IS 'Средний самый длинный монолог, секунды. // Mean longest monologue, seconds.';
COMMENT ON COLUMN talk_metrics.questions IS 'Вопросов менеджера за звонок. // Questions of the manager a call.';
COMMENT ON COLUMN talk_metrics.interruptions IS 'Перебиваний клиента за звонок. // Interruptions of the customer a call.';
COMMENT ON COLUMN talk_metrics.switches_per_minute IS 'Смен говорящего в минуту. // Changes of speaker a minute.';
