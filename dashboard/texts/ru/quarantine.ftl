# Защита, которая держит изменения, и карантин.
quarantine-guards = Защита
quarantine-no-guards = Защита ничего не держит.
quarantine-items = Карантин
quarantine-about = Элемент не удалось обработать из-за его данных, попытка повторится позже. Устраните причину и повторите.
quarantine-empty = В карантине ничего нет.
quarantine-since = с
quarantine-show-all = Показать всё
quarantine-item = Элемент
quarantine-customer = Клиент
quarantine-reason = Причина
quarantine-attempts = Попыток
quarantine-first = Первая ошибка
quarantine-retry-at = Следующая попытка
quarantine-actions = Действия
quarantine-retry = Повторить
quarantine-dismiss = Убрать
quarantine-retry-one = Повторить { $item }
quarantine-dismiss-one = Убрать { $item }
quarantine-retry-all = { $count ->
    [one] Повторить { $count } элемент
    [few] Повторить все { $count } элемента
   *[many] Повторить все { $count } элементов
  }
quarantine-retry-confirm = { $count ->
    [one] Повторить сейчас
    [few] Повторить { $count } элемента сейчас
   *[many] Повторить { $count } элементов сейчас
  }
quarantine-retry-effect = Обработчик запустится в течение секунды. Элемент, который снова не удастся, останется здесь с более долгой паузой.
quarantine-retried = Повтор запрошен.
quarantine-at-once = сразу
quarantine-dismiss-confirm = Убрать элемент
quarantine-dismiss-reason = Причина
quarantine-dismiss-hint = Она будет видна в истории клиента.
quarantine-dismissed = Элемент убран.
quarantine-record = Запись об ошибке
quarantine-record-kept = { $count ->
    [one] { $count } попытка
    [few] { $count } попытки
   *[many] { $count } попыток
  }
quarantine-record-deleted = удалена
quarantine-work = Работа элемента
quarantine-work-usual = в следующем обычном запуске
quarantine-reason-no_price = Нет цены
quarantine-reason-internal = Ошибка программы
