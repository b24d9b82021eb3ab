# Список подписок и изменения всех клиентов фильтра.
subscriptions-id = Номер
subscriptions-customer = Клиент
subscriptions-plan = Тариф
subscriptions-state = Состояние
subscriptions-end = Срок
subscriptions-auto-renew = Автопродление
subscriptions-on = включено
subscriptions-off = выключено
subscriptions-balance = Баланс
subscriptions-missing = Не хватает
subscriptions-empty = Под эти фильтры не подходит ни одна подписка.
subscriptions-bulk = Изменения всех клиентов фильтра
subscriptions-bulk-all = Все клиенты этого фильтра:
subscriptions-bulk-no-filter = Задайте фильтр, чтобы изменить всех его клиентов:
subscriptions-open-grant = Подарить дни…
subscriptions-open-auto_renew = Автопродление…
subscriptions-open-announcement = Отправить сообщение…
subscriptions-jobs = Массовые операции
subscriptions-jobs-running = { $count ->
    [one] Выполняется { $count } массовая операция
    [few] Выполняются { $count } массовые операции
   *[many] Выполняются { $count } массовых операций
  }
subscriptions-start = { $count ->
    [one] Изменить { $count } клиента
   *[other] Изменить { $count } клиентов
  }
subscriptions-started = Операция запущена.
subscriptions-preview-waits = Заполните поля, чтобы увидеть клиентов.
subscriptions-preview-count = { $count ->
    [0] Не подходит ни один клиент.
    [one] Подходит { $count } клиент.
    [few] Подходят { $count } клиента.
   *[many] Подходят { $count } клиентов.
  }
subscriptions-preview-estimate = Подходят около { $count } клиентов.
subscriptions-preview-first = Первые подходящие клиенты
subscriptions-end-now = Срок сейчас
subscriptions-end-after = Срок после
subscriptions-plus-days = { $count ->
    [one] ещё { $count } день
    [few] ещё { $count } дня
   *[many] ещё { $count } дней
  }
subscriptions-grant-title = Подарить дни
subscriptions-days = Дней
subscriptions-auto-renew-title = Переключить автопродление
subscriptions-notice-title = Отправить сообщение
subscriptions-notice-language = Язык текста
subscriptions-notice-text = Текст ({ $language })
subscriptions-notice-en-hint = Для всех языков без своего текста.
subscriptions-notice-add = Добавить язык
subscriptions-notice-code = Код языка
subscriptions-notice-code-hint = Например, fa или pt-BR.
