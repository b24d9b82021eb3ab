# Прогноз.
forecast-about = Так пройдут продления и окончания, если никто из клиентов ничего не оплатит, не купит и не изменит. Дни — по UTC.
forecast-range = Срок
forecast-again = Пересчитать
forecast-from = Рассчитано { $time }.
forecast-renewals = Заплатят
forecast-short = Не хватит денег
forecast-ending = Закончатся
forecast-amount = Списания
forecast-by-day = Цифры по дням
forecast-day = День
forecast-empty = За это время ничего не произойдёт.
forecast-point = Выберите день, чтобы открыть список.
forecast-pointed = { $day }: заплатят { $renewals }, не хватит денег { $short }, закончатся { $ending }.
forecast-day-list = { $day }
forecast-day-rows = Подписки этого дня
forecast-close = Закрыть список
forecast-first = Первые { $shown } строк из { $total }.
forecast-outcome = Исход
forecast-is-renewed = заплатит
forecast-is-short = не хватит денег
forecast-is-ends = закончится
forecast-customer = Клиент
forecast-starts = Конец текущего периода
forecast-charge = Списание
forecast-what-if = Что, если: другие цены
forecast-what-if-about = Прогноз применит эти цены с текущего момента. Ничего не изменится.
forecast-present-price = Текущая цена
forecast-new-price = Новая цена
forecast-add-price = Рассчитать с этой ценой
forecast-price = { $plan }, { $days ->
    [one] { $days } день
    [few] { $days } дня
   *[other] { $days } дней
  }: { $amount }
forecast-remove = Убрать
forecast-remove-price = Убрать: { $price }
forecast-effect = Влияние других цен
error-forecast_running = Уже идёт другой прогноз. Повторите чуть позже.
error-report_running = Уже идёт другой отчёт. Повторите чуть позже.
error-audit_running = Уже идёт другая проверка. Повторите чуть позже.
error-future_month = Этот месяц ещё не начался.
