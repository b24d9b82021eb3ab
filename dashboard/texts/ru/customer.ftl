# Страница одного клиента.
customer-title = Клиент { $id }
customer-views = Разделы клиента
customer-view-time = История
customer-view-subscriptions = Подписки ({ $count })
customer-view-why = Доступ и сообщения
customer-view-links = Ссылки и QR-коды

customer-blocked = Заблокирован с { $at }
customer-unreachable = Сообщения не доходят
customer-has-claim = Долг после возврата платежа
customer-vip = VIP
customer-discount = Скидка { $percent } %
customer-balance = Баланс
customer-claim = Долг
customer-claim-note = после возвратов платежей; пополнения сначала гасят его
customer-subscriptions = Подписки
customer-active = Действующие подписки
customer-of = из { $count }
customer-profile = Язык, часовой пояс
customer-since = Клиент с
customer-trial = Пробный период
customer-trial-unused = не использован

customer-next-charge = Следующее списание
customer-no-charge = Списания не будет
customer-subscription = подписка { $id }
customer-missing = не хватает
customer-top-up-missing = Пополнить на

customer-charge-no_subscription = У клиента нет подписки.
customer-charge-revoked = Подписка отозвана.
customer-charge-trial = Пробный период не продлевается. Окончание: { $ends_at }.
customer-charge-auto_renew_off = Автопродление выключено. Окончание: { $ends_at }.
customer-charge-blocked = Клиент заблокирован, поэтому ничего не списывается.
customer-charge-revival_over = Подписка закончилась { $ended_at }. Платёж её уже не вернёт.
customer-charge-waits_for_payment = Подписка закончилась { $ended_at }. Платёж до { $until } вернёт её.
customer-charge-revival_due = Платёж пришёл после окончания { $ended_at }. Ближайший запуск вернёт подписку.
customer-charge-clock_suspect = Списания ждут, потому что время под подозрением: { $reason }
customer-charge-no_price = У тарифа { $plan } нет цены на { $period_days } дн. в { $currency }.
customer-charge-quarantined = Продление в карантине: { $reason }. Следующая попытка — { $retry_at }.
customer-charge-held_by_guard = Защита расходов удерживает поздние списания, пока человек их не подтвердит.
customer-charge-short = Не хватает { $missing }. Без платежа подписка закончится { $ends_at }.
customer-charge-short-others = Не хватает { $missing }: другие подписки раньше заберут { $others }. Без платежа подписка закончится { $ends_at }.
customer-charge-waits_for_next_try = Денег хватает. Попытка отложена до { $next_try_at }.
customer-charge-too_early = Продление оплачивает не больше одного периода вперёд. Срок списания — не раньше { $due_at }.
customer-charge-due = Денег хватает, ближайший запуск спишет их. Сейчас подписка до { $ends_at }.
customer-charge-covered = Денег хватает. Списание { $due_at }, до окончания { $ends_at }.

customer-access-revoked = Подписка отозвана.
customer-access-ended = Подписка закончилась { $ended_at }.
customer-access-no_credential = У подписки нет ключа доступа.
customer-access-no_node = Тариф не открывает ни одного узла, поэтому клиент не может подключиться.
customer-access-entitled = Работают и знают пользователя { $confirmed } из { $nodes } узлов тарифа.

customer-node-not_reached = Пользователь ждёт первой проверки узла.
customer-node-node_down = Узел недоступен с { $down_since }. { $error }
customer-node-add_pending = Узел добавляет пользователя с { $marked_at }. { $error }
customer-node-confirmed = Узел подтвердил пользователя. { $link_error }
customer-node-removal_pending = Узел удаляет пользователя с { $marked_at }. { $error }
customer-node-no_keeper = Узел никто не обслуживал с { $last_seen_at }.
customer-node-quarantined = Пользователь в карантине на этом узле: { $reason }. Следующая попытка — { $retry_at }.
customer-node-marking = Изменение тарифов или узлов ещё размечается.
customer-node-filling = Узел перезапустился, пользователи добавляются заново.
customer-node-not_entitled = Тариф не открывает группы этого узла.
customer-node-is-not_reached = ждёт
customer-node-is-node_down = узел недоступен
customer-node-is-no_keeper = узел не обслуживается
customer-node-is-quarantined = карантин
customer-node-is-add_pending = добавляется
customer-node-is-marking = ждёт
customer-node-is-filling = добавляется
customer-node-is-confirmed = есть на узле
customer-node-is-removal_pending = удаляется
customer-node-is-not_entitled = не входит в тариф

customer-notice-sending = Отправляется с { $since }.
customer-notice-clock_suspect = Ждёт, потому что время под подозрением: { $reason }
customer-notice-quarantined = В карантине: { $reason }. Следующая попытка — { $retry_at }.
customer-notice-unknown_kind = Такое сообщение отправляет только более новая версия программы.
customer-notice-outdated = Устарело ({ $reason }) и не будет отправлено.
customer-notice-waits_for_low_balance = Ждёт до { $until }: сначала автопродление проверит баланс.
customer-notice-waits_for_reminder = Ждёт до { $until }: сначала уйдёт напоминание о том же окончании.
customer-notice-waits_for_distance = Ждёт до { $until }: меньше двух часов назад ушло другое сообщение о том же окончании.
customer-notice-waits_for_customer = Ждёт до { $until }: клиент недоступен, попытки раз в неделю.
customer-notice-waits_for_morning = Ждёт до { $until }: у клиента тихие часы.
customer-notice-retry = Следующая попытка — { $next_attempt_at }. { $error }
customer-notice-courier_pauses = { $courier } на паузе до { $until }. { $error }
customer-notice-no_courier = Канал { $channel } ещё никто не обслуживал.
customer-notice-courier_stopped = Сейчас никто не отправляет за { $courier }.
customer-notice-due = { $courier } отправит его следующим.

customer-time = История
customer-time-kinds = Показать
customer-time-all = Всё
customer-time-ledger = Деньги
customer-time-notice = Сообщения
customer-time-event = События
customer-time-empty = Пока ничего не произошло.
customer-past = Прошлое, сначала последнее
customer-ahead = Будущее, ближайшее — последним
customer-ahead-empty = Впереди ничего нет: нет действующей подписки.
customer-ahead-more = Показать всё впереди ({ $count })
customer-ahead-less = Показать только ближайшее
customer-ahead-charge = Списание
customer-ahead-end = Окончание
customer-ahead-end-moves = Конец оплаченного времени; списание его сдвинет
customer-ahead-end-unpaid = Окончание, если не будет оплаты
customer-ahead-reminder = Напоминание: { $notice }
customer-balance-after = баланс
customer-claim-change = долг
customer-message = Сообщение: { $kind }
customer-actor = кто: { $actor }

customer-ledger-opening = Начальный баланс
customer-ledger-top_up = Пополнение
customer-ledger-purchase = Покупка
customer-ledger-renewal = Продление
customer-ledger-refund = Возврат
customer-ledger-adjustment = Исправление
customer-ledger-payout = Выплата
customer-ledger-chargeback = Возврат платежа
customer-ledger-claim = Долг

customer-event-created = Клиент добавлен
customer-event-set = Профиль изменён
customer-event-topped_up = Баланс пополнен
customer-event-purchased = Куплено
customer-event-renewed = Продлено
customer-event-revived = Возобновлено после окончания
customer-event-trial_started = Пробный период начался
customer-event-expired = Закончилась
customer-event-restored = Восстановлено
customer-event-granted = Бесплатные дни
customer-event-grant_taken_back = Бесплатные дни отозваны
customer-event-refunded = Возвращено
customer-event-paid_out = Выплачено
customer-event-period_moved = Период сдвинут
customer-event-plan_chosen = Выбран следующий тариф
customer-event-plan_changed = Тариф изменён
customer-event-terms_changed = Действуют новые условия
customer-event-auto_renew_on = Автопродление включено
customer-event-auto_renew_off = Автопродление выключено
customer-event-reissued = Новая ссылка
customer-event-revoked = Доступ отозван
customer-event-blocked = Заблокирован
customer-event-unblocked = Разблокирован
customer-event-adjusted = Баланс исправлен
customer-event-claim_waived = Долг прощён
customer-event-charged_back = Платёж отозван
customer-event-payment_moved = Платёж перенесён
customer-event-imported = Импортировано
customer-event-notice_resent = Сообщение отправлено снова
customer-event-notice_cancelled = Сообщение отменено
customer-event-quarantine_retried = Выведено из карантина
customer-event-quarantine_dismissed = Карантин снят

customer-detail-plan = тариф
customer-detail-period_days = дней
customer-detail-days = дней
customer-detail-ends_at = до
customer-detail-expires_at = окончание
customer-detail-starts_at = с
customer-detail-from = с
customer-detail-to = на
customer-detail-reason = причина
customer-detail-auto_renew = автопродление
customer-detail-short = не хватило денег
customer-detail-action = вид
customer-detail-provider = платёжная система
customer-detail-provider_ref = номер платежа
customer-detail-vip = VIP
customer-detail-discountPercent = скидка, %
customer-detail-locale = язык
customer-detail-timeZone = часовой пояс

customer-no-subscriptions = Подписок нет.
customer-ends = Действует до
customer-ended = Закончилась
customer-auto-renew = Автопродление
customer-plan = Тариф
customer-state = Состояние
customer-next-plan = Тариф следующего периода
customer-periods = { $count ->
    [one] { $count } период
    [few] { $count } периода
   *[many] { $count } периодов
  }
customer-periods-of = Периоды подписки { $id }
customer-no-periods = Периодов нет.
customer-period-source = Откуда
customer-period-starts = С
customer-period-ends = До
customer-period-amount = Сумма
customer-period-state = Состояние
customer-period-refunded = возвращён
customer-period-part = использованная часть
customer-source-trial = Пробный период
customer-source-purchase = Покупка
customer-source-renewal = Продление
customer-source-grant = Бесплатные дни
customer-source-import = Импорт

customer-access = Доступ
customer-access-part = Показано подписок: { $count } из { $total }, сначала действующие.
customer-nodes = { $count ->
    [one] { $count } узел
    [few] { $count } узла
   *[many] { $count } узлов
  }
customer-nodes-of = Узлы подписки { $id }
customer-node = Узел
customer-node-state = Состояние
customer-reason = Причина
customer-notices = Сообщения
customer-notices-waiting = Сообщения, которые ждут
customer-notices-empty = Ни одно сообщение не ждёт.
customer-notice-kind = Сообщение
customer-notice-state = Состояние
customer-notice-created = Создано
customer-notice-none-sent = Сообщений ещё не было.
customer-notice-last = Последнее сообщение — «{ $kind }», канал { $channel }:

customer-links = Ссылки и QR-коды
customer-sub-url = Адрес подписки: все узлы, всегда актуально
customer-no-links = Ни одна действующая подписка не открывает узлов.
customer-more-links = Показать ещё ({ $count })
customer-qr = QR-код: { $title }
customer-qr-too-long = Ссылка слишком длинная для QR-кода.
customer-copy = Скопировать ссылку
customer-copied = Скопировано.

customer-preview-missing = Заполните поля, чтобы увидеть разницу.
customer-preview-more = И ещё подписок: { $count }.
customer-preview-same = Ничего не изменится.
customer-amount = Сумма, { $currency }
customer-top-up = Пополнить
customer-topped-up = Зачислено.
customer-provider = Платёжная система
customer-provider-hint = Необязательно, вместе с номером.
customer-reference = Номер платежа
customer-reference-hint = Платёж с номером зачисляется один раз.
customer-adjust = Исправить баланс
customer-adjust-hint = Со знаком минус сумма спишется с баланса.
customer-adjusted = Баланс исправлен.
customer-discount-set = VIP и скидка
customer-discount-save = Сохранить
customer-discount-saved = Сохранено. Действует со следующего списания.
customer-discount-percent = Личная скидка, %
customer-vip-long = VIP: скидка для VIP-клиентов
customer-is-blocked = Заблокирован
customer-block = Заблокировать
customer-blocked-now = Клиент заблокирован.
customer-block-ends = { $count ->
    [one] Доступ потеряет { $count } подписка.
    [few] Доступ потеряют { $count } подписки.
   *[many] Доступ потеряют { $count } подписок.
  }
customer-unblock = Разблокировать
customer-unblocked-now = Клиент разблокирован.
customer-unblock-restores = { $count ->
    [one] Доступ вернётся у { $count } подписки.
    [few] Доступ вернётся у { $count } подписок.
   *[many] Доступ вернётся у { $count } подписок.
  }
customer-change-plan = Сменить тариф
customer-change-plan-title = Сменить тариф подписки { $id }
customer-plan-changed = Тариф изменён.
customer-new-plan = Новый тариф
customer-choose = Выберите…
customer-when = Когда
customer-when-now = Сейчас, с зачётом неиспользованного времени
customer-when-next = При следующем продлении
customer-forfeit = Отказаться от подаренного или импортированного времени: у него нет цены
customer-missing-amount = Не хватает:
customer-price = Цена
customer-credited = зачёт неиспользованного времени
customer-auto-renew-on = Включить автопродление
customer-auto-renew-on-title = Включить автопродление подписки { $id }
customer-auto-renew-off = Выключить автопродление
customer-auto-renew-off-title = Выключить автопродление подписки { $id }
customer-auto-renew-set = Сохранено.
customer-reissue = Новая ссылка
customer-reissue-title = Заменить ссылку подписки { $id }
customer-reissue-effect = Клиент получит новую ссылку. Нынешняя перестанет работать на всех узлах.
customer-reissued = Ссылка заменена.
customer-grant = Подарить дни
customer-grant-title = Подарить дни подписке { $id }
customer-free-days = Дней
customer-granted = Дни подарены.
customer-revoke = Отозвать
customer-revoke-title = Отозвать подписку { $id }
customer-revoked = Подписка отозвана.
customer-refund = Вернуть
customer-refund-one = Вернуть деньги за период { $id }
customer-refund-part = Вернуть
customer-refund-none = Ничего
customer-refund-unused = Неиспользованную часть
customer-refund-whole = Всю цену
customer-refund-payout = Выплатить: деньги уйдут с баланса
customer-refund-keep = Оставить автопродление включённым
customer-refund-amount = Возврат:
customer-refund-paid-out = выплачено
customer-refunded = Возвращено.

error-no_customer = Такого клиента нет.
error-short_balance = На балансе не хватает денег.
error-expires_at_changed = Срок подписки тем временем изменился. Закройте окно и посмотрите снова.
error-price_changed = Цена тем временем изменилась. Закройте окно и посмотрите снова.
error-payment_known = Этот платёж уже зачислен.
error-no_provider = К номеру платежа нужна платёжная система.
error-no_provider_ref = К платёжной системе нужен номер платежа.
error-top_up_too_large = Сумма больше предела одного пополнения. Её может зачислить администратор.
error-balance_too_large = Баланс станет слишком большим.
error-unpriced_time = В подписке есть подаренное или импортированное время без цены. Откажитесь от него или смените тариф при следующем продлении.
error-refund_later_first = Сначала верните более поздние периоды.
error-nothing_unused = В этом периоде не осталось неиспользованного времени.
error-not_charged = За этот период не платили, поэтому отозвать можно только неиспользованную часть.
error-no_payout = Выплатить нечего.
error-end_too_late = Окончание получится слишком поздним.
error-is_blocked = Клиент уже заблокирован.
error-not_blocked = Клиент не заблокирован.
error-not_running = Подписка закончилась.
error-revoked = Подписка отозвана.
error-blocked = Клиент заблокирован.
error-no_price = У этого тарифа нет цены на такой срок.
