# Отчёт за месяц.
report-month = Месяц, по UTC
report-again = Пересчитать
report-complete = { $month } завершён. Данные на { $now }.
report-partial = { $month } ещё не завершён. Данные на { $now }.
report-csv-ledger = Все записи журнала счёта в CSV
report-csv-periods = Все оплаченные периоды в CSV
report-empty = За этот месяц данных нет.
report-count = { $count ->
    [one] { $count } запись
    [few] { $count } записи
   *[other] { $count } записей
  }
report-collected = Получено
report-charged = Списано
report-purchases = Покупки
report-renewals = Продления
report-refunded = Возвращено на балансы
report-paid_out = Выплачено
report-charged_back = Отозвано банками
report-earned = Заработано
report-by-day = по использованным дням
report-owed-balances = Обязательства: балансы
report-owed-time = Обязательства: неиспользованное время
report-periods = { $count ->
    [one] { $count } период
    [few] { $count } периода
   *[other] { $count } периодов
  }
report-claims = Долги клиентов
report-churn = Отток клиентов
report-churn-money = по MRR: { $rate }
report-trials = Пробные, ставшие платными
report-continued = Продлённые периоды
report-part = { $part } из { $of }
report-lost = Потеряно из-за нехватки денег
report-lost-mrr = MRR: { $amount }

report-balances = Балансы клиентов
report-balances-start = На начало
report-balances-opening = Импортировано
report-balances-collected = Получено
report-balances-moved = Перенесённые платежи
report-balances-adjustments = Корректировки
report-balances-refunds = Возвраты
report-balances-purchases = Покупки
report-balances-renewals = Продления
report-balances-payouts = Выплаты
report-balances-chargebacks = Отозвано банками
report-balances-claims = Долги
report-balances-end = На конец

report-time = Неиспользованное время
report-time-start = На начало
report-time-charged = Списано
report-time-earned = Заработано
report-time-refunded = Возвращено
report-time-end = На конец

report-mrr = Регулярный доход в месяц (MRR)
report-mrr-start = На начало
report-mrr-new = Новые
report-mrr-revived = Вернувшиеся
report-mrr-expansion = Рост
report-mrr-contraction = Снижение
report-mrr-churned = Потеряно
report-mrr-end = На конец

report-customers = Клиенты с MRR
report-customers-start = На начало
report-customers-new = Новые
report-customers-revived = Вернувшиеся
report-customers-churned = Ушедшие
report-customers-end = На конец

report-providers = Получено по провайдерам
report-provider = Провайдер
report-no-provider = без провайдера
report-payments = Платежи
report-amount = Сумма
report-no-payments = В этом месяце платежей нет.
report-cohorts = Клиенты по месяцу первого списания
report-cohort-month = Первое списание
report-cohort-customers = Клиенты
report-cohort-paying = С MRR на конец
report-cohort-charged = Списано в этом месяце
report-cohort-mrr = MRR на конец
report-no-cohorts = Списаний ещё не было.
