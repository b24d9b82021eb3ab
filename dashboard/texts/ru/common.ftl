# Рамка всех страниц.
page-overview = Обзор
page-forecast = Прогноз
page-customers = Клиенты
page-customer = Клиент
page-subscriptions = Подписки
page-bulk-jobs = Массовые операции
page-nodes = Узлы
page-messages = Сообщения
page-runs = Запуски
page-quarantine = Карантин и защита
page-report = Отчёт
page-audit = Проверка
page-unknown-title = Неизвестная страница
page-unknown = Такой страницы нет.

menu = Меню
skip-to-content = К содержанию
lookup = Найти клиента: Telegram ID, c123, UUID, платёж
language = Язык
language-en = English
language-ru = Русский
theme = Тема
theme-system = Как в системе
theme-light = Светлая
theme-dark = Тёмная
sign-out = Выйти
role-read = просмотр
role-sell = продажи
role-admin = администратор

live-live = Обновляется
live-connecting = Соединение…
live-paused = Пауза

sign-in-pending = Вход…
sign-in-present = В этом браузере вы вошли как { $name }. Новая ссылка заменит эту сессию.
sign-in-stay = Остаться как { $name }
sign-in-replace = Войти по новой ссылке
sign-in-help = Создайте новую ссылку на сервере и откройте её в этом браузере:

loading = Загрузка…
retry = Повторить
cancel = Отмена
working = Выполняется…
now = Сейчас
after = После
yes = да
no = нет
any = любой
show-changes = Показать изменения
first-page = Первая страница
next-page = Следующая страница
rows = { $count ->
    [one] { $count } строка
    [few] { $count } строки
   *[many] { $count } строк
  }
rows-estimated = около { $count } строк
searching = На этой странице совпадений нет. Поиск продолжается…
csv = CSV, до { $count } строк
clear-filters = Сбросить фильтры
more-filters = Ещё фильтры
days = { $count ->
    [one] { $count } день
    [few] { $count } дня
   *[many] { $count } дней
  }

error-offline = Сервис не отвечает. Данные не пострадали; страница пробует снова.
error-internal = В сервисе произошла ошибка. Причина — в его журнале.
error-unavailable = База данных не отвечает. Повторите чуть позже.
error-too_slow = База данных отвечала слишком долго. Повторите чуть позже.
error-too_many_requests = Слишком много запросов. Повторите через минуту.
error-forbidden = Ваша роль не разрешает это действие.
error-unauthorized = Сессия закончилась. Создайте новую ссылку.
error-clock_suspect = Часы под подозрением, поэтому изменения ждут. Подтвердите время в обзоре.
error-bad_link = Эта ссылка недействительна. Создайте новую.
error-link_used = Эта ссылка уже использована. Если не вами, выполните «perennial ui sessions» и завершите ту сессию.
error-link_expired = Срок ссылки истёк. Ссылка действует 10 минут.
