# Текущие проблемы и что с ними делать.
problem-since = с
problem-remedy = Что делать:
problem-over = Проблемы больше нет.
problem-list = Показать список
problem-done = Запрос принят.

problem-do-accept_clock = Подтвердить время
problem-do-confirm_held = Подтвердить задержанные изменения
problem-do-run_worker = Запустить сейчас
problem-do-retry_items = Повторить
problem-effect-accept_clock = Сервис примет текущее время и состояние базы данных как верные. Ожидающие списания, окончания и продажи продолжатся в течение минуты.
problem-effect-confirm_held = Сервис выполнит не больше этих изменений в течение 10 минут, каждое один раз. Следующие изменения нужно подтвердить отдельно. Если цены или настройки изменятся раньше, ничего не будет выполнено.
problem-held = Задержанные изменения
problem-held-after = выполнит следующий запуск
problem-effect-run_worker = Одна из реплик сервиса начнёт запуск в течение секунды.
problem-effect-retry_items = Попытка повторится сразу. То, что снова не удастся, останется в карантине.

problem-commits_lost = Последние транзакции могли потеряться, все изменения ждут: { $reason }
problem-commits_lost-remedy = Сверьте платежи с провайдером, затем подтвердите состояние базы данных.
problem-clock_suspect = Списания, окончания и продажи ждут, потому что время под подозрением: { $reason }
problem-clock_suspect-remedy = Исправьте часы сервера базы данных. Если его время верное, подтвердите время.
problem-table_locked = Таблица { $table } заблокирована целиком: { $cause }
problem-table_locked-remedy = Завершите этот сеанс. Бездействующая транзакция — обычно забытая консоль базы данных.
problem-worker_silent = { $worker } не запускается: { $error }
problem-worker_silent-remedy = Запустите сервис и прочтите его журнал.
problem-worker_fails = { $failures ->
    [one] { $worker }: { $failures } ошибка подряд: { $error }
    [few] { $worker }: { $failures } ошибки подряд: { $error }
   *[many] { $worker }: { $failures } ошибок подряд: { $error }
  }
problem-worker_fails-remedy = Устраните причину, которую называет ошибка. Следующий запуск продолжит работу.
problem-worker_overdue = { $worker } не обрабатывает то, чему пора: { $items }, самое старое с { $oldest_at }: { $cause }
problem-worker_overdue-remedy = Завершите сеанс, который это держит. Если такого сеанса нет, начните запуск.
problem-notices_overdue = Не отправлено уведомлений, которым пора: { $items }, самое старое с { $oldest_at }: { $cause }
problem-notices_overdue-remedy = Запустите сервис с ключом этого канала. Завершите сеанс, который держит его блокировку.
problem-node_down = Узел { $node } не отвечает. Ждут доступа клиентов: { $to_add }, нужно удалить: { $to_remove }. Последняя ошибка: { $error }
problem-node_down-remedy = Запустите Xray на узле или почините его сеть. Все изменения затем применятся сами.
problem-node_adds_nothing = Узел { $node } отвечает, но не добавляет пользователей. Ждут доступа клиентов: { $to_add }, нужно удалить: { $to_remove }. Последняя ошибка: { $error }
problem-node_adds_nothing-remedy = Сравните inbound-ы узла с конфигурацией.
problem-removals_late = { $waiting ->
    [one] Узел { $node } не подтвердил { $waiting } удаление с { $oldest_at }.
    [few] Узел { $node } не подтвердил { $waiting } удаления, самое старое с { $oldest_at }.
   *[many] Узел { $node } не подтвердил { $waiting } удалений, самое старое с { $oldest_at }.
  }
problem-removals_late-remedy = Проверьте узел: пользователи без доступа, возможно, ещё подключаются.
problem-node_link_error = Клиенты не могут подключиться по ссылкам узла { $node }: { $error }
problem-node_link_error-remedy = Исправьте ссылку узла в конфигурации и примените её.
problem-charges_held = { $held ->
    [one] Защита держит { $held } списание ({ $worker }).
    [few] Защита держит { $held } списания ({ $worker }).
   *[many] Защита держит { $held } списаний ({ $worker }).
  }
problem-charges_held-remedy = Проверьте часы, цены и список. Если списания верны, подтвердите их.
problem-ends_held = { $held ->
    [one] Защита держит { $held } окончание подписки ({ $worker }).
    [few] Защита держит { $held } окончания подписок ({ $worker }).
   *[many] Защита держит { $held } окончаний подписок ({ $worker }).
  }
problem-ends_held-remedy = Проверьте часы и список. Если окончания верны, подтвердите их.
problem-removals_held = { $held ->
    [one] Защита держит { $held } удаление на узле { $subject } ({ $worker }).
    [few] Защита держит { $held } удаления на узле { $subject } ({ $worker }).
   *[many] Защита держит { $held } удалений на узле { $subject } ({ $worker }).
  }
problem-removals_held-remedy = Проверьте список. Если удаления верны, подтвердите их.
problem-channel_fails = Через { $channel } ничего не отправляется: { $error }
problem-channel_fails-remedy = Устраните причину, которую называет ошибка. Сообщения ждут и уйдут позже.
problem-quarantine = { $items ->
    [one] В карантине { $items } элемент ({ $worker }, { $reason }): { $detail }
    [few] В карантине { $items } элемента ({ $worker }, { $reason }), например { $item }: { $detail }
   *[many] В карантине { $items } элементов ({ $worker }, { $reason }), например { $item }: { $detail }
  }
problem-quarantine-remedy = Устраните причину из текста ошибки, затем повторите.
problem-machine_clock = На этой машине обработчики не запускаются: { $detail }
problem-machine_clock-remedy = Синхронизируйте часы этой машины.
problem-notices_refused = Шлюз отклоняет текст { $notice }: { $error }
problem-notices_refused-remedy = Исправьте текст и его кнопки. До этого он уходит простым текстом.

error-held_changed = Теперь защита держит меньше изменений. Закройте окно и посмотрите новое число.
error-terms_changed = Цены или настройки изменились. Закройте окно и проверьте ещё раз.
error-nothing_held = Защита больше ничего не держит.
error-preview_running = Уже идёт другой пробный запуск. Повторите, когда он закончится.
