# Обзор: неполадки со способами их устранить и цифры.
overview-problems = { $count ->
    [0] Неполадки
    [one] { $count } неполадка
    [few] { $count } неполадки
   *[other] { $count } неполадок
  }
overview-calm = Сейчас неполадок нет.
overview-since = С
overview-solved = Устранено.
overview-show = Показать список
overview-figures = Цифры
overview-now = На момент
overview-collected = Получено сегодня
overview-charged = Списано сегодня
overview-entries = { $count ->
    [one] { $count } запись
    [few] { $count } записи
   *[other] { $count } записей
  }
overview-due = К оплате за 24 ч
overview-late = Опаздывают
overview-short = Не хватает денег
overview-held = Удержано защитой
overview-pending = Ожидают отправки
overview-nodes = Узлы на связи
overview-nodes-up = { $up } из { $all }
overview-draining = выводится: { $count }
overview-active = Активные подписки
overview-customers = Клиенты
overview-about = около { $count }

problem-commits_lost = Последние транзакции могли потеряться, все изменения ждут: { $reason }
remedy-commits_lost = Сверьте платежи с провайдером, затем подтвердите состояние базы данных.
problem-clock_suspect = Списания, окончания и продажи ждут: время под подозрением: { $reason }
remedy-clock_suspect = Исправьте часы сервера базы данных. Если время верное, подтвердите его.
problem-table_locked = Таблицу { $table } целиком заблокировал сеанс: { $cause }
remedy-table_locked = Завершите этот сеанс. Незакрытая транзакция — обычно забытая консоль базы данных.
problem-worker_silent = { $worker } не работает: { $error }
remedy-worker_silent = Запустите сервис и прочитайте его журнал.
problem-worker_fails = { $worker }: { $failures ->
    [one] { $failures } сбой
    [few] { $failures } сбоя
   *[other] { $failures } сбоев
  } подряд: { $error }
remedy-worker_fails = Устраните причину, которую называет ошибка. Следующий запуск продолжит работу.
problem-worker_overdue = { $worker } не успевает: { $items ->
    [one] ждёт { $items } объект
    [few] ждут { $items } объекта
   *[other] ждут { $items } объектов
  }, самый старый с { $oldest_at }: { $cause }
remedy-worker_overdue = Завершите сеанс, который их держит. Если такого сеанса нет, начните запуск.
problem-node_down = Узел { $node } не отвечает; { $to_add ->
    [one] { $to_add } клиент ждёт
    [few] { $to_add } клиента ждут
   *[other] { $to_add } клиентов ждут
  } доступа, нужно удалить: { $to_remove }. Последняя ошибка: { $error }
remedy-node_down = Запустите Xray на узле или восстановите его сеть. Все изменения применятся сами.
problem-node_adds_nothing = Узел { $node } отвечает, но не добавляет пользователей; { $to_add ->
    [one] { $to_add } клиент ждёт
    [few] { $to_add } клиента ждут
   *[other] { $to_add } клиентов ждут
  } доступа. Последняя ошибка: { $error }
remedy-node_adds_nothing = Сравните входы (inbounds) узла с конфигурацией.
problem-removals_late = Узел { $node } не подтвердил { $waiting ->
    [one] { $waiting } удаление
    [few] { $waiting } удаления
   *[other] { $waiting } удалений
  }, самое старое с { $oldest_at }
remedy-removals_late = Проверьте узел: пользователи, у которых доступ закончился, могут ещё подключаться.
problem-node_link_error = По ссылкам узла { $node } клиенты не могут подключиться: { $error }
remedy-node_link_error = Исправьте ссылку узла в конфигурации и примените её.
problem-charges_held = Защита { $worker } удерживает { $held ->
    [one] { $held } списание
    [few] { $held } списания
   *[other] { $held } списаний
  }
remedy-charges_held = Проверьте часы, цены и список. Если списания верные, подтвердите их.
problem-ends_held = Защита { $worker } удерживает { $held ->
    [one] { $held } окончание
    [few] { $held } окончания
   *[other] { $held } окончаний
  }
remedy-ends_held = Проверьте часы и список. Если окончания верные, подтвердите их.
problem-removals_held = Защита { $worker } удерживает { $held ->
    [one] { $held } удаление
    [few] { $held } удаления
   *[other] { $held } удалений
  } на узле { $subject }
remedy-removals_held = Проверьте список. Если удаления верные, подтвердите их.
problem-channel_fails = Через { $channel } ничего не отправляется: { $error }
remedy-channel_fails = Устраните причину, которую называет ошибка. Уведомления ждут и уйдут позже.
problem-quarantine = { $worker }: в карантине { $items ->
    [one] { $items } объект
    [few] { $items } объекта
   *[other] { $items } объектов
  }, причина { $reason }, например { $item }: { $detail }
remedy-quarantine = Исправьте то, что названо в сообщении, затем повторите.
problem-machine_clock = { $detail }; на этой машине исполнители не работают
remedy-machine_clock = Синхронизируйте часы этой машины.
problem-notices_refused = Шлюз не принимает текст { $notice }: { $error }
remedy-notices_refused = Исправьте текст и его кнопки. До этого он отправляется без оформления.

remedy-do-accept_clock = Подтвердить время
remedy-effect-accept_clock = Perennial снова доверяет времени базы данных. Списания и окончания, срок которых по нему наступил, последуют сразу.
remedy-done-accept_clock = Время подтверждено.
remedy-do-confirm_held = Подтвердить удержанное
remedy-effect-confirm_held = Один запуск выполнит всё, что удерживает защита. Отменить это нельзя.
remedy-done-confirm_held = Подтверждённый запуск запрошен.
remedy-do-run_worker = Запустить
remedy-effect-run_worker = Реплика сервиса начнёт запуск в течение секунды.
remedy-done-run_worker = Запуск запрошен.
remedy-do-retry_items = Повторить
remedy-effect-retry_items = Следующий запуск сразу повторит эти объекты. Объект, с которым снова выйдет ошибка, останется в карантине.
remedy-done-retry_items = Объекты отправлены на повтор.
