# Запуски исполнителей.
runs-workers = Исполнители
runs-list = Все запуски с работой
runs-empty = Подходящих запусков нет. Запуск без работы не оставляет записи.
runs-one = Запуск { $id }
runs-back = Ко всем запускам
runs-shown = Запуски с { $from } по { $until }. Высокий столбик — сбой.
runs-every = Интервал: { $interval }.
runs-none-yet = Запусков с работой ещё не было.
runs-strip = { $worker }: { $count ->
    [one] { $count } запуск
    [few] { $count } запуска
   *[other] { $count } запусков
  }, со сбоем: { $bad }, с предупреждением: { $warning }.

runs-about-auto-renewal = Списывает оплату и продлевает подписки.
runs-about-fast-expiry-cleanup = Завершает подписки, которые не продлены.
runs-about-trial-notifications = Готовит напоминания о пробном периоде.
runs-about-expiry-reminders = Готовит напоминания об окончании.
runs-about-reconcile-xray-state = Сверяет каждый узел с базой данных.
runs-about-raise-alarms = Ищет неполадки и сообщает администраторам.
runs-about-bulk-jobs = Выполняет массовые изменения.
runs-about-store-forecast = Сохраняет прогноз списаний для защиты.
runs-about-deliver-notifications = Отправляет уведомления.

runs-worker = Исполнитель
runs-outcome = Итог
runs-started = Начало
runs-took = Длительность
runs-examined = Проверено
runs-changed = Изменено
runs-failed = Ошибок
runs-held = Удержано
runs-replica = Реплика
runs-overlapping = Другие запуски в то же время
runs-outcome-running = выполняется
runs-outcome-success = успешно
runs-outcome-partial = частично, работа продолжится
runs-outcome-skipped = пропущен
runs-outcome-degraded = с ошибками
runs-outcome-failed = сбой
runs-outcome-lost = потерян

runs-actions = Изменения
runs-charges = Записи в журнале счёта
runs-notices = Созданные уведомления
runs-quarantined = Отправлено в карантин: { $count }
runs-events = События, первые 100
runs-no-events = У этого запуска нет событий.
runs-at = Время
runs-customer = Клиент
runs-subject = Объект
runs-action = Изменение

runs-dry-run = Пробный запуск
runs-dry-run-of = Пробный запуск: { $worker }
runs-dry-run-effect = Пробный запуск ничего не меняет. Он показывает, что сделал бы запуск в этот момент.
runs-decisions = Решения запуска в этот момент
runs-nothing = Сейчас запуску нечего делать.
runs-incomplete = Времени не хватило на все объекты. Есть и другие, срок которых наступил.
runs-decision = Решение
runs-count = Объекты
runs-amount = Сумма
runs-first = Первые объекты, { $count }:
runs-run = Запустить
runs-run-of = Запустить: { $worker }
runs-run-effect = Реплика сервиса начнёт запуск в течение секунды. Он сделает то же, что и следующий запуск по расписанию.
runs-requested = Запуск { $worker } запрошен.
