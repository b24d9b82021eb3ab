# Массовые операции и их ход.
bulk-jobs-back = Назад к подпискам
bulk-jobs-all = Все операции
bulk-jobs-empty = Массовых операций пока не было.
bulk-jobs-job = Операция
bulk-jobs-state = Состояние
bulk-jobs-customers = Клиенты
bulk-jobs-filter = Фильтр
bulk-jobs-actor = Кто запустил
bulk-jobs-created = Создана
bulk-jobs-state-running = выполняется
bulk-jobs-state-done = готова
bulk-jobs-state-cancelled = остановлена
bulk-jobs-grant = { $count ->
    [one] { $count } бесплатный день
    [few] { $count } бесплатных дня
   *[many] { $count } бесплатных дней
  }
bulk-jobs-auto-renew-on = включить автопродление
bulk-jobs-auto-renew-off = выключить автопродление
bulk-jobs-announcement = сообщение
bulk-jobs-progress-of = Ход операции { $id }
bulk-jobs-progress = { $processed } из { $total }
bulk-jobs-title = Операция { $id }
bulk-jobs-by = запустил { $actor }
bulk-jobs-customers-now = Клиенты, подходящие сейчас
bulk-jobs-done = изменено: { $count }
bulk-jobs-skipped = оставлено как есть: { $count }
bulk-jobs-failed = не удалось: { $count }
bulk-jobs-reason-no_match = больше не подходят под фильтр
bulk-jobs-reason-blocked = заблокированы
bulk-jobs-reason-revoked = подписка отозвана
bulk-jobs-reason-is_trial = только пробная подписка
bulk-jobs-reason-unchanged = уже так, как нужно
bulk-jobs-reason-end_too_late = срок вышел бы слишком поздним
bulk-jobs-messages = Сообщения с вашим текстом
bulk-jobs-close = Закрыть
bulk-jobs-cancel = Остановить операцию
bulk-jobs-cancel-title = Остановить операцию { $id }
bulk-jobs-cancelled = Операция остановлена.
bulk-jobs-left = Осталось клиентов
bulk-jobs-unchanged = останутся как есть
bulk-jobs-changed = Изменено клиентов
bulk-jobs-stays = изменения останутся
bulk-jobs-cancel-notices = Неотправленные сообщения этой операции не будут отправлены.
